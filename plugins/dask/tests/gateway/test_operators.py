"""Dask clusters as an operator sees them: the list over all users, and the gauges."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import Ref, resource_of

CLUSTERS = "/gateway/api/v1/clusters/"
ALL = "/v1/dask"


async def start(client, user, *, workers=0, **options):
    """Start a cluster, and return its name once it runs or has failed."""
    answer = await client.post(CLUSTERS, json={"cluster_options": options})
    assert answer.status == 201, await answer.text()
    name = (await answer.json())["name"]
    await (await client.get(f"/v1/users/{user}/dask/{name}/events")).read()
    if workers:
        await client.post(f"{CLUSTERS}{name}/scale", json={"count": workers})
    return name


async def listed(client, **query):
    answer = await client.get(ALL, params=query)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def until(look, expected):
    """Look until what is seen is what is wanted."""
    async with asyncio.timeout(PATIENCE):
        while await look() != expected:
            pass


async def gauges(client):
    text = await (await client.get("/metrics")).text()
    return {
        (sample.name.removeprefix("spawnpenny_dask_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("spawnpenny_dask_")
    }


@pytest.fixture
async def clusters(caller):
    """Have three clusters: ada's with two workers, bob's with none, and one of bob's that failed."""
    ada, bob = await caller("ada"), await caller("bob")
    return await start(ada, "ada", workers=2), await start(bob, "bob"), await start(bob, "bob", image="none")


async def test_an_operator_sees_the_clusters_of_all_users_with_their_size_and_reason(caller, clusters):
    hub = await caller("hub")

    async def workers():
        return [cluster["workers"] for cluster in (await listed(hub))["clusters"] if cluster["user"] == "ada"]

    await until(workers, [{"running": 2, "pending": 0}])
    seen = await listed(hub)
    rows = {cluster["cluster"]: cluster for cluster in seen["clusters"]}
    big, small, failed = (rows[name] for name in clusters)
    assert (seen["next"], seen["unknown"], len(rows)) == (None, [], 3)
    assert (big["user"], big["phase"], big["scale"]["count"], big["resources"]["cpu"]) == ("ada", "running", 2, "3")
    assert (small["user"], small["workers"]) == ("bob", {"running": 0, "pending": 0})
    assert (failed["reason"]["code"], failed["resources"]["cpu"]) == ("image_unavailable", "0")
    assert failed["ended_at"] > failed["requested_at"]


@pytest.mark.parametrize(
    ("status", "found"),
    [("running", {0, 1}), ("FAILED", {2}), ("running, failed", {0, 1, 2}), ("pending,stopping,stopped", set())],
)
async def test_some_of_them_are_listed_by_their_phase(caller, clusters, status, found):
    seen = await listed(await caller("hub"), status=status)
    assert {cluster["cluster"] for cluster in seen["clusters"]} == {clusters[place] for place in found}


async def test_they_come_in_pages_of_those_that_are_asked_for(caller, clusters):
    hub = await caller("hub")
    first = await listed(hub, limit=1, status="running")
    rest = await listed(hub, limit=1, status="running", after=first["next"])
    assert [cluster["user"] for page in (first, rest) for cluster in page["clusters"]] == ["ada", "bob"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("status=nope", "status has to be some of requested, pending, running"),
        ("status=", "status has to be some of requested"),
        ("after=ada", "after has to be the `next`"),
        ("limit=501", "limit has to be a number from 1 to 500"),
        ("user=ada", "user is not known"),
    ],
)
async def test_a_query_that_is_wrong_is_refused_as_a_problem(caller, query, sentence):
    answer = await (await caller("hub")).get(f"{ALL}?{query}")
    assert (answer.status, answer.content_type) == (422, "application/problem+json")
    assert (await answer.json())["detail"].startswith(sentence)


@pytest.mark.parametrize(
    ("who", "status"), [("admin", 200), ("hub", 200), ("ada", 403), ("ada-lab", 403), ("ada-reader", 403),
                        ("proxy", 403), ("nobody", 403), (None, 401)],
)  # fmt: skip
async def test_it_is_for_who_may_read_all(caller, who, status):
    assert (await (await caller(who)).get(ALL)).status == status


async def test_the_gauges_say_how_many_there_are_and_name_nobody(caller, clusters):
    hub = await caller("hub")
    desired = {("workers", "running"): 2, ("workers", "pending"): 0, ("workers_desired",): 2}

    async def workers():
        return {key: value for key, value in (await gauges(hub)).items() if key[0].startswith("workers")}

    await until(workers, desired)
    seen = await gauges(hub)
    assert {key[1]: value for key, value in seen.items() if key[0] == "clusters" and value} == {
        "running": 2,
        "failed": 1,
    }
    assert not {"ada", "bob", *clusters} & {part for key in seen for part in key}


async def test_a_cluster_that_has_nothing_to_do_is_seen_to_be_idle_and_one_at_work_is_not(caller, flock):
    ada, hub = await caller("ada"), await caller("hub")
    name = await start(ada, "ada")

    async def seen():
        (cluster,) = (await listed(hub))["clusters"]
        idle = cluster["idle_since"]
        return None if idle is None else time.time() - idle >= 120, (await gauges(hub))["clusters_idle",]

    for idle, workers, desired in ((120.0, 1, (True, 1)), (None, 2, (None, 0)), (30.0, 3, (None, 0))):
        flock.idle = idle
        await ada.post(f"{CLUSTERS}{name}/scale", json={"count": workers})
        await until(seen, desired)


async def test_without_any_the_gauges_are_zero(caller):
    seen = await gauges(await caller("hub"))
    assert ("clusters", "running") in seen
    assert ("workers_desired",) in seen
    assert set(seen.values()) == {0}


async def workers_until(client, name, phases):
    """Look at a cluster's workers until they are in these phases, and return the answer."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await client.get(f"/v1/users/ada/dask/{name}/workers")
            assert answer.status == 200
            seen = await answer.json()
            if [worker["phase"] for worker in seen["workers"]] == phases:
                return seen


async def test_workers_that_run_are_listed_with_their_place(caller):
    ada = await caller("ada")
    name = await start(ada, "ada", workers=2)
    seen = await workers_until(ada, name, ["running", "running"])
    assert [worker["name"] for worker in seen["workers"]] == sorted(worker["name"] for worker in seen["workers"])
    for worker in seen["workers"]:
        assert worker["node"]
        assert (worker["group"], worker["waiting_for"], worker["reason"]) == ("default", None, None)
    assert seen["missing"] == {"count": 0, "waiting_for": None, "retry_at": None}


@pytest.mark.parametrize(
    ("queue", "phase", "code", "sentence"),
    [
        ("none", "pending", "image_unavailable", "The image none cannot be pulled"),
        ("slow", "pending", None, "Its program has started, and does not answer yet."),
    ],
)
async def test_a_worker_that_does_not_run_says_what_it_waits_for(caller, queue, phase, code, sentence):
    ada, hub = await caller("ada"), await caller("hub")
    name = await start(ada, "ada", workers=1, queue=queue)

    async def waiting():
        (worker,) = (await workers_until(hub, name, [phase]))["workers"]
        return worker["waiting_for"]["code"], worker["waiting_for"]["message"].startswith(sentence)

    await until(waiting, (code, True))
    (cluster,) = (await listed(hub))["clusters"]
    assert cluster["workers"] == {"running": 0, "pending": 1}
    assert (cluster["waiting_for"] or {}).get("code") == code


async def test_a_worker_that_ended_is_remembered_with_its_reason(caller, site):
    ada = await caller("ada")
    name = await start(ada, "ada", workers=1, queue="ending")
    (worker,) = (await workers_until(ada, name, ["failed"]))["workers"]
    assert (worker["reason"]["code"], worker["reason"]["exit_code"]) == ("pod_crashed", 3)
    ref = Ref(resource_of("Pod"), worker["name"], site.namespace("ada"))
    await site.cluster.delete(ref, uid=(await site.cluster.read(ref))["metadata"]["uid"], grace=0)

    async def seen():
        workers = (await (await ada.get(f"/v1/users/ada/dask/{name}/workers")).json())["workers"]
        return [(other["name"] == worker["name"], other["reason"] == worker["reason"]) for other in workers]

    await until(seen, [(True, True)])


async def test_workers_of_every_group_are_listed_and_counted(caller):
    ada, hub = await caller("ada"), await caller("hub")
    name = await start(ada, "ada", workers=1)
    answer = await hub.post(f"/v1/users/ada/dask/{name}/scale", json={"count": 2, "group": "spot"})
    assert (answer.status, await answer.json()) == (200, {"ok": True, "msg": None})
    seen = await workers_until(ada, name, ["running"] * 3)
    assert sorted(worker["group"] for worker in seen["workers"]) == ["default", "spot", "spot"]

    async def counted():
        found = await gauges(hub)
        return found["workers", "running"], found["workers_desired",]

    await until(counted, (3, 3))
    refused = await hub.post(f"/v1/users/ada/dask/{name}/scale", json={"count": 2, "group": "none"})
    assert (refused.status, refused.content_type) == (422, "application/problem+json")
    over = await hub.post("/v1/users/ada/dask/none/adapt", json={})
    assert (over.status, (await over.json())["code"]) == (404, "dask_not_found")


async def test_workers_of_nobody_are_not_found(caller):
    answer = await (await caller("hub")).get("/v1/users/ada/dask/none/workers")
    assert (answer.status, (await answer.json())["code"]) == (404, "dask_not_found")

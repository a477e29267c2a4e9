"""Dask clusters by the REST API: seen and stopped like labs, and the tickets of their dashboards."""

from __future__ import annotations

import asyncio
import json

import pytest
import structlog

from spawnpenny.testing.patience import PATIENCE

CLUSTERS = "/gateway/api/v1/clusters/"
DASK = "/v1/users/ada/dask"


async def start(ada, **options):
    answer = await ada.post(CLUSTERS, json={"cluster_options": options})
    name = (await answer.json())["name"]
    async with ada.get(f"{CLUSTERS}{name}?wait") as report:
        assert (await report.json())["status"] == "RUNNING"
    return name


async def test_a_cluster_is_seen_like_a_lab(caller):
    ada, hub = await caller("ada"), await caller("hub")
    name = await start(ada, environment={"A": "s3cret"})
    seen = await (await hub.get(f"{DASK}/{name}")).json()
    assert (seen["user"], seen["cluster"], seen["phase"], seen["lab"]) == ("ada", name, "running", None)
    assert seen["scale"] == {"count": 0, "minimum": 0, "maximum": None, "adaptive": False}
    assert seen["workers"] == {"running": 0, "pending": 0}
    assert seen["groups"] == {key: {"desired": 0, "running": 0, "pending": 0} for key in ("default", "spot")}
    assert (seen["options"]["image"], "environment" in seen["options"]) == ("small", False)
    assert {step["state"] for step in seen["steps"]} <= {"done", "skipped"}
    assert (await (await ada.get(DASK)).json()) == {"clusters": [seen]}
    events = await (await ada.get(f"{DASK}/{name}/events")).text()
    assert '"phase": "running"' in events
    assert "s3cret" not in events + str(seen)


@pytest.mark.parametrize("adapt", [{"active": False}, {"active": True, "maximum": 5}])
async def test_a_scale_is_not_lost_to_an_adapt_that_comes_while_it_is_written(caller, server, adapt):
    ada = await caller("ada")
    name = await start(ada)
    account = server.service.spawns.user_state("ada")
    async with asyncio.TaskGroup() as group, account.lock:  # another write of the user's record is under way
        for number, (what, body) in enumerate((("scale", {"count": 2}), ("adapt", adapt)), 1):
            group.create_task(ada.post(f"{CLUSTERS}{name}/{what}", json=body))
            async with asyncio.timeout(PATIENCE):
                while len(account.lock._waiters or ()) < number:  # noqa: ASYNC110 - nothing else tells of it
                    await asyncio.sleep(0)
    assert (await (await ada.get(f"{DASK}/{name}")).json())["scale"]["count"] == 2


async def test_workers_are_counted_as_they_come(caller, server):
    ada = await caller("ada")
    name = await start(ada)
    namespace = server.service.settings.namespaces.prefix + "ada"
    with server.service.service_context.pods.subscribe() as changes:
        assert (await ada.post(f"{CLUSTERS}{name}/scale", json={"count": 2})).status == 200
        while (workers := (await (await ada.get(f"{DASK}/{name}")).json())["workers"]) != {"running": 2, "pending": 0}:
            assert sum(workers.values()) <= 2
            await anext(changes)
    assert len(server.service.service_context.pods.within(namespace)) == 3


async def test_a_cluster_with_a_name_of_its_users_own_is_found_by_it_and_is_nobody_elses(caller):
    ada, bob = await caller("ada"), await caller("bob")
    kept = [(await (await who.post(f"{CLUSTERS}?name=mine", json={})).json())["name"] for who in (ada, bob)]
    assert len(set(kept)) == 2
    assert {name[:-9] for name in kept} == {"mine"}
    for name in ("mine", kept[0]):
        assert (await (await ada.get(f"{CLUSTERS}{name}?wait")).json())["name"] == kept[0]
        assert (await (await ada.get(f"{DASK}/{name}")).json())["cluster"] == kept[0]
    assert (await ada.get(f"{CLUSTERS}{kept[1]}")).status == 404
    assert (await ada.post(f"{CLUSTERS}?name=mine", json={})).status == 409
    assert (await ada.post(f"{CLUSTERS}mine/scale", json={"count": 1})).status == 200
    assert (await ada.delete(f"{DASK}/mine?wait=120")).status == 204
    assert (await ada.get(f"{CLUSTERS}mine")).status == 404
    assert (await bob.get(f"{CLUSTERS}mine")).status == 200


@pytest.mark.parametrize("name", ["", "Mine", "my_cluster", "1st", "a--b", "end-", "ä", "a" * 40, "a.b", "a/b"])
async def test_a_name_that_cannot_be_one_is_refused_with_what_can(caller, name):
    answer = await (await caller("ada")).post(CLUSTERS, params={"name": name}, json={})
    assert answer.status == 422
    assert "lower-case letters" in (await answer.json())["error"]


async def test_events_that_are_followed_go_on_while_the_cluster_runs_and_end_with_it(caller, flock):
    ada = await caller("ada")
    name = await start(ada)
    async with ada.get(f"{DASK}/{name}/events", params={"follow": "true"}) as stream:
        received = ""
        while '"phase": "running"' not in received:
            received += (await stream.content.readline()).decode()
        flock.over.set()
        rest = (await stream.read()).decode()
    assert '"code": "cluster_idle"' in rest
    last = rest.rpartition("id: ")[2].split()[0]
    again = await ada.get(f"{DASK}/{name}/events", params={"follow": "true"}, headers={"Last-Event-ID": last})
    assert again.status == 204


@pytest.mark.parametrize("who", ["ada", "ada-lab", "hub"])
async def test_a_cluster_is_stopped_like_a_lab_and_by_a_lab_too(caller, who):
    name = await start(await caller("ada"))
    client = await caller(who)
    assert (await client.delete(f"{DASK}/{name}?wait=120")).status == 204
    gone = await client.get(f"{DASK}/{name}")
    assert (gone.status, (await gone.json())["code"]) == (404, "dask_not_found")
    assert (await client.delete(f"{DASK}/{name}")).status == 204


@pytest.mark.parametrize(
    ("who", "allowed"),
    [("bob", set()), ("proxy", {"ticket"}), ("nobody", set()), ("ada-reader", {"list", "get", "events"})],
)
async def test_a_cluster_is_nobody_elses_business(caller, who, allowed):
    client, opened = await caller(who), set()
    for name, (method, path) in {
        "list": ("GET", DASK),
        "get": ("GET", f"{DASK}/c1"),
        "events": ("GET", f"{DASK}/c1/events"),
        "stop": ("DELETE", f"{DASK}/c1"),
        "ticket": ("POST", f"{DASK}/c1/ticket"),
    }.items():
        if (await client.request(method, path, json={"ticket": "x"})).status != 403:
            opened.add(name)
    assert opened == allowed


@pytest.fixture
def public(site):
    site.data["gateway"] = {"public_address": "https://dask.example.org"}


async def test_a_ticket_opens_one_dashboard_once(public, caller, server):
    ada, proxy = await caller("ada"), await caller("proxy")
    names = [await start(ada) for _ in range(2)]
    report = await (await ada.get(f"{CLUSTERS}{names[0]}")).json()
    route = report["dashboard_route"].split("/")
    ticket = route.pop(3)
    assert route == ["", "clusters", names[0], "status"]
    for name, sent, status in (
        (names[1], ticket, 404),
        (names[0], f"{ticket}x", 404),
        ("none", ticket, 404),
        (names[0], ticket, 200),
        (names[0], ticket, 404),
    ):
        answer = await proxy.post(f"{DASK}/{name}/ticket", json={"ticket": sent})
        body = await answer.json()
        assert answer.status == status
        if status == 200:
            (pod,) = [
                pod for pod in server.service.service_context.pods.items() if pod["metadata"]["name"].endswith(names[0])
            ]
            assert body == {"uid": pod["metadata"]["uid"]}
        else:
            assert body["code"] == "ticket_unknown"
    listed = await (await ada.get(CLUSTERS)).json()
    assert {report["dashboard_route"] for report in listed.values()} == {None}


async def test_each_change_is_in_the_audit_log_and_no_secret(public, caller):
    ada, proxy = await caller("ada"), await caller("proxy")
    with structlog.testing.capture_logs() as entries:
        name = await start(ada, environment={"A": "s3cret"})
        await ada.post(f"{CLUSTERS}{name}/scale", json={"count": 1})
        await ada.post(f"{CLUSTERS}{name}/adapt", json={"maximum": 2})
        report = await (await ada.get(f"{CLUSTERS}{name}")).json()
        ticket = report["dashboard_route"].split("/")[3]
        await proxy.post(f"{DASK}/{name}/ticket", json={"ticket": ticket})
        await ada.delete(f"{CLUSTERS}{name}")
        await (await caller()).delete(f"{CLUSTERS}{name}")  # as the client asks first
    audit = [
        (line["event"], line["user"], line["cluster"], line["status"])
        for line in entries
        if "code" in line and "who" in line and "lab" in line
    ]
    assert audit == [
        ("gateway.start", "ada", name, 201),
        ("gateway.scale", "ada", name, 200),
        ("gateway.adapt", "ada", name, 200),
        ("dask.ticket", "ada", name, 200),
        ("gateway.stop", "ada", name, 204),
    ]
    text = json.dumps(entries, default=str)
    assert not any(secret in text for secret in ("s3cret", ticket, "PRIVATE KEY", "ada-token"))

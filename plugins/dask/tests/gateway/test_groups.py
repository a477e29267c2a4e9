"""Groups of workers by the gateway protocol and the REST API."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from spawnpenny.api import Key, Scale, SpawnpennyError, WorkerGroup, hookimpl
from spawnpenny.testing.plugins import load_plugins, make_settings

CLUSTERS = "/gateway/api/v1/clusters/"
DASK = "/v1/users/ada/dask"


async def start(ada):
    name = (await (await ada.post(CLUSTERS, json={})).json())["name"]
    async with ada.get(f"{CLUSTERS}{name}?wait") as report:
        assert (await report.json())["status"] == "RUNNING"
    return name


async def scale(ada, name, count, group=None, *, what="scale", **more):
    body = {"count": count, "group": group} if what == "scale" else {}
    answer = await ada.post(f"{CLUSTERS}{name}/{what}", json={**body, **more})
    return answer.status, await answer.json()


async def test_the_groups_are_reported_with_the_options(caller):
    answer = await (await (await caller("ada")).get("/gateway/api/v1/options")).json()
    assert [group["name"] for group in answer["worker_groups"]] == ["default", "spot"]
    assert answer["worker_groups"][1] == {
        "name": "spot",
        "cores": 2,
        "memory": 2**31,
        "maximum": 10,
        "label": "Cheap",
        "description": "May go at any time.",
    }


async def test_each_group_has_its_number_and_counts_with_its_size(caller, server, site):
    ada = await caller("ada")
    name = await start(ada)
    assert await scale(ada, name, 2) == (200, {"ok": True, "msg": None})
    assert await scale(ada, name, 1, "spot") == (200, {"ok": True, "msg": None})
    with server.service.service_context.pods.subscribe() as changes:
        while (seen := await (await ada.get(f"{DASK}/{name}")).json())["workers"]["running"] < 3:
            await anext(changes)
    assert seen["groups"] == {
        "default": {"desired": 2, "running": 2, "pending": 0},
        "spot": {"desired": 1, "running": 1, "pending": 0},
    }
    assert (seen["scale"]["count"], seen["workers"]["running"]) == (2, 3)
    status, answer = await scale(ada, name, 3, "spot")  # of six cores five are taken, and a worker of it has two
    assert (status, answer["ok"]) == (200, False)
    assert "asked 9, in use 0, limit 6. Scaling to 1 instead." in answer["msg"]
    assert await scale(ada, name, 0, "default") == (200, {"ok": True, "msg": None})
    assert await scale(ada, name, 2, "spot") == (200, {"ok": True, "msg": None})


async def test_adapting_is_of_the_default_group_alone(caller, server):
    ada = await caller("ada")
    name = await start(ada)
    await scale(ada, name, 1, "spot")
    await scale(ada, name, 0, what="adapt", minimum=1, maximum=2)
    await scale(ada, name, 2, "spot")
    record = server.service.spawns.find("ada", Key("dask", name)).record
    assert record.scale == Scale(1, 1, 2, adaptive=True, groups={"spot": 2})
    await scale(ada, name, 0)
    assert record.scale == Scale(0, groups={"spot": 2})
    await scale(ada, name, 0, what="adapt", active=False)
    assert record.scale == Scale(0, groups={"spot": 2})


@pytest.mark.parametrize("group", ["Spot", "", "x" * 500, 3, ["spot"]])
async def test_a_group_that_there_is_not_is_refused(caller, group):
    ada = await caller("ada")
    name = await start(ada)
    status, answer = await scale(ada, name, 1, group)
    assert status == 422
    assert "group" in answer["error"]
    assert len(answer["error"]) < 300


async def test_another_replica_and_a_service_that_comes_back_know_the_groups(site, serving):
    async with serving(site) as server, server.client("ada") as ada:
        name = await start(ada)
        await scale(ada, name, 2, "spot")
    async with serving(site) as server, server.client("ada") as ada:
        seen = await (await ada.get(f"{DASK}/{name}")).json()
        assert seen["groups"]["spot"]["desired"] == 2


def test_two_plugins_cannot_have_one_group():
    groups = hookimpl(lambda settings: [WorkerGroup("default", 1, 1, 1)])
    plugins = {"one": SimpleNamespace(spawnpenny_worker_groups=groups)}  # beside that of the plugin dask
    with pytest.raises(SpawnpennyError, match="'one' has a worker group 'default' that exists already"):
        load_plugins(make_settings({}), extra=plugins)

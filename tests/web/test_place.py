"""A start beside as many spawns as a user may have waits for one that is ending; others are refused at once."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.domain.spawns import MAX_SPAWNS
from spawnpenny.web.app_keys import SERVICE

PLAIN = {"cpu": 0.1, "memory": "64Mi"}


@pytest.fixture
async def full(site, serving):
    """Have a server on which ada has as many spawns as there may be; the first one takes a second to end."""
    site.data["plugins"]["lab"]["sizes"] = {"small": PLAIN}
    site.data["plugins"]["quota"] = {"labs": 10, "cpu": 32, "memory": "64Gi"}
    async with serving(site) as server, server.client("hub") as hub:
        for number in range(MAX_SPAWNS):
            image = "stubborn" if not number else "slow"
            response = await put(hub, f"lab{number}", image=image)
            assert response.status == 202, await response.text()
        stubborn = server.app[SERVICE].spawns.user_state("ada").runs
        (first,) = [run for key, run in stubborn.items() if key.name == "lab0"]
        async with asyncio.timeout(30):
            while first.record.phase != "running":
                await first.bell.next().wait()
        yield server, hub


async def put(client, name, **options):
    return await client.put(f"/v1/users/ada/labs/{name}", json={"start": "s1", "options": options})


async def commission(client):
    return await client.put("/v1/users/ada", json={"username": "ada", "uid": 2001, "gid": 2002})


async def stop(hub, name="lab0"):
    assert (await hub.delete(f"/v1/users/ada/labs/{name}")).status == 202


async def test_a_start_waits_for_one_that_ends(full):
    _, hub = full
    assert (await commission(hub)).status == 429
    await stop(hub)
    response = await put(hub, "further")
    assert response.status == 202, await response.text()
    refused = await (await commission(hub)).json()
    assert refused["code"] == "too_many_spawns"
    assert refused["detail"].endswith("Stop one first.")


async def test_of_two_that_wait_one_has_the_place(full):
    _, hub = full
    await stop(hub)
    statuses = [response.status for response in await asyncio.gather(put(hub, "one"), commission(hub))]
    assert sorted(statuses) == [202, 429]


async def test_nothing_is_started_for_who_has_gone(full):
    server, hub = full
    await stop(hub)
    async with server.client("hub") as impatient:
        waiting = asyncio.create_task(put(impatient, "further"))
        await asyncio.wait([waiting], timeout=0.2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    spawns = server.app[SERVICE].spawns
    async with asyncio.timeout(30):
        while ending := spawns.ending("ada"):
            await asyncio.wait(ending)
    response = await put(hub, "another")  # the place is free
    assert response.status == 202, await response.text()
    assert "further" not in {key.name for key in spawns.user_state("ada").runs}

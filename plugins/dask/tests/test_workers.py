"""How workers end, and which ends are faults: of real schedulers and workers, with a nanny and without."""

from __future__ import annotations

import asyncio

import pytest

BARE = {"nanny": False, "memory": "1Gi"}
RESTARTS = """
client.wait_for_workers(1)
for n in range(5):
    client.restart(timeout=40)
    assert client.submit(pow, 2, n, pure=False).result(timeout=40) == 2**n
"""


@pytest.mark.parametrize("nanny", [True, False], ids=["nanny", "bare"])
async def test_restarts_of_a_client_are_no_failures(any_dask_site, nanny):
    async with any_dask_site.running(worker={"nanny": nanny, "memory": "1Gi"}) as site:
        await site.cluster()
        await site.scale(1)
        with site.service.world.pods.subscribe() as changes:
            seen = set()
            watching = asyncio.create_task(collect(changes, seen))
            await site.python_in("c1", RESTARTS)
            watching.cancel()
        assert len(seen) == (1 if nanny else 6)
        assert not warnings_of(site)


async def collect(changes, seen):
    """Take down the names of all workers that there are."""
    async for change in changes:
        if ".w-" in (name := change.object["metadata"]["name"]):
            seen.add(name)


def warnings_of(site):
    return [event.message for event in site.run().record.log.since(None) if event.severity == "warning"]


async def test_workers_that_leave_by_themselves_are_replaced_at_once(dask_site):
    """By their lifetime, and as a client retires them."""
    lifetime = {"DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "3s"}
    async with dask_site.running(worker=BARE) as site:
        await site.cluster(environment=lifetime)
        await site.scale(1)
        names = await site.until_workers(1)
        for _ in range(3):  # had it been a failure, the third one would have waited
            names = await site.until_workers(1, but=names)
        await site.python_in("c1", "client.wait_for_workers(1)\nclient.retire_workers()")
        await site.until_workers(1, but=names)
        assert not warnings_of(site)


async def test_a_program_that_ends_well_before_it_is_a_worker_is_a_failure(dask_site):
    idle = {"extra_container_config": {"args": ["python", "-c", "pass"]}}
    async with dask_site.running(worker=idle) as site:
        await site.cluster()
        with site.service.world.pods.subscribe() as changes:
            await site.scale(1)
            seen = set()
            while len(seen) < 3:
                seen |= {(await anext(changes)).object["metadata"]["name"]} - {"dask-c1"}
        assert len(seen) == 3

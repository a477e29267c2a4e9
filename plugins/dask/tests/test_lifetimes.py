"""Workers with a lifetime, and workers without a scheduler: real ones, under the service's supervision."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.testing.plugins import POD_UID, find_processes

pytestmark = pytest.mark.slow

WORKER = {"memory": "1Gi"}
BY_VARIABLE = {"DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "3s"}
RESTARTS = """
import time
client.wait_for_workers(1)
pids, end = set(), time.monotonic() + 60
while len(pids) < 3 and time.monotonic() < end:
    pids |= set(client.run(lambda: __import__("os").getpid(), on_error="ignore").values())  # one may be about to end
print(len(pids))
"""


def warnings_of(site):
    return [event.message for event in site.run().record.log.since(None) if event.severity == "warning"]


@pytest.mark.parametrize(
    ("worker", "environment"),
    [({}, BY_VARIABLE), ({"args": ["--lifetime", "3s"]}, {}), ({"nanny": False, "args": ["--lifetime", "3s"]}, {})],
    ids=["variable", "argument", "bare"],
)
async def test_a_worker_that_ends_by_its_lifetime_is_replaced_and_no_crash(dask_site, worker, environment):
    async with dask_site.running(worker={**WORKER, **worker}) as site:
        await site.cluster(environment=environment)
        await site.scale(1)
        names = await site.until_workers(1)
        for _ in range(3):  # had it been a failure, the third one would have waited
            names = await site.until_workers(1, but=names)
        assert not warnings_of(site)


@pytest.mark.parametrize(
    ("worker", "environment"),
    [
        ({}, {**BY_VARIABLE, "DASK_DISTRIBUTED__WORKER__LIFETIME__RESTART": "True"}),
        ({"args": ["--lifetime", "3s", "--lifetime-restart"]}, {}),
    ],
    ids=["variable", "argument"],
)
async def test_a_worker_that_restarts_by_its_lifetime_keeps_its_pod(any_dask_site, worker, environment):
    async with any_dask_site.running(worker={**WORKER, **worker}) as site:
        await site.cluster(environment=environment)
        await site.scale(1)
        names = await site.until_workers(1)
        assert await site.python_in("c1", RESTARTS) == "3"
        assert await site.until_workers(1) == names
        assert not warnings_of(site)


@pytest.mark.parametrize("nanny", [True, False], ids=["nanny", "bare"])
async def test_workers_end_that_lose_their_scheduler_while_the_service_is_away(any_dask_site, nanny):
    async with any_dask_site.running(worker={**WORKER, "nanny": nanny}) as site:
        await site.cluster()
        await site.scale(2)
        names = await site.until_workers(2)
        await site.python_in("c1", "client.wait_for_workers(2)")
        scheduler = site.run().record.pod_uid
    for process in find_processes({POD_UID: scheduler}):
        process.kill()
    async with asyncio.timeout(80):  # the death timeout is a minute
        for name in names:
            while (await pod_of(any_dask_site.site, name))["status"]["phase"] == "Running":  # noqa: ASYNC110
                await asyncio.sleep(0.2)  # no service is there to say that a process has ended


async def pod_of(site, name):
    return await site.cluster.read(site.ref("Pod", name))

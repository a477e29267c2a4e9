"""A fault at each call of a Dask cluster that changes something: the same promises hold as for labs.

One run takes a few; all pairs of calls and faults take minutes, with SPAWNPENNY_TEST_ALL=1.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Key, Phase, Scale
from spawnpenny.errors import SpawnpennyError
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import lab, settled, start, start_cluster
from tests.kit.fault_proxy import changes
from tests.kit.proxy_faults import Cut, Delay, Drop, Lose, Refuse, Reset

CLUSTER = Key("dask", "c1")
MISCHIEFS = {
    "drop": Drop(),
    "delay-beyond-patience": Delay(1.5),
    "reset": Reset(),
    "lose": Lose(),
    "cut": Cut(),
    "401": Refuse(401),
    "429": Refuse(429, retry_after=1),
    "500": Refuse(500),
    "503": Refuse(503),
}
CALLS = {
    "start": 4,  # record, Secret, scheduler, record
    "up": 3,  # record, two workers
    "down": 3,  # the same
    "stop": 6,  # record, three pods, Secret, record
}
EVERY = [(work, n, name) for work, calls in CALLS.items() for n in range(calls) for name in MISCHIEFS]
SOME = [("start", 2, "lose"), ("up", 1, "drop"), ("up", 2, "lose"), ("down", 1, "503"), ("stop", 2, "cut")]


@pytest.fixture
def dask(proxied, hollow_schedulers):
    proxied.site.data["plugins"]["dask"] = {}
    return proxied


def is_work(request):
    """Take what changes something, but for the renewals of the replica's Lease, which come by the clock."""
    return changes(request) and "/leases" not in request.path


def assert_plain(message):
    assert message.endswith(".")
    assert "\n" not in message


async def make(service):
    """Start the cluster; return it, or None where it was told that it is not accepted."""
    try:
        return await settled(await start_cluster(service))
    except SpawnpennyError as error:
        assert_plain(error.message)
        return None


async def scale(service, site, count):
    """Scale the cluster, again where it was told that it is not written; wait until it is so."""
    try:
        await service.spawns.scale("ada", CLUSTER, Scale(count))
    except SpawnpennyError as error:
        assert_plain(error.message)
        await service.spawns.scale("ada", CLUSTER, Scale(count))
    await until_workers(service, site, count)


async def take_away(service):
    """Stop the cluster: whether the order is told as written or not, it is carried out."""
    run = service.spawns.find("ada", CLUSTER)
    try:
        await service.spawns.stop("ada", CLUSTER)
    except SpawnpennyError as error:
        assert_plain(error.message)
    await run.until_gone()


async def until_workers(service, site, count):
    """Wait until there are so many workers that run."""
    async with asyncio.timeout(PATIENCE):
        with service.service_context.pods.subscribe() as changes_of_pods:
            while True:
                pods = [pod for pod in service.service_context.pods.within(site.namespace()) if is_worker(pod)]
                if [pod.get("status", {}).get("phase") for pod in pods] == ["Running"] * count:
                    return
                await anext(changes_of_pods)


def is_worker(pod):
    return labels.PART in pod["metadata"]["labels"]


async def do(service, site, work):
    match work:
        case "start":
            run = await make(service)
            if run is not None and run.record.phase is not Phase.RUNNING:
                assert run.record.phase is Phase.FAILED
                assert await site.objects(spawn=run.record.id) == {}
        case "stop":
            await take_away(service)
        case _:
            await scale(service, site, 2 if work == "up" else 0)


async def before(service, site, work):
    """Bring about what the work begins with."""
    if work != "start":
        assert (await make(service)).record.phase is Phase.RUNNING
    if work in {"down", "stop"}:
        await scale(service, site, 2)


@pytest.mark.parametrize(("work", "n", "fault"), EVERY if os.environ.get("SPAWNPENNY_TEST_ALL") == "1" else SOME)
async def test_one_fault_anywhere(dask, household, service_tasks, work, n, fault):
    site = dask.site
    async with dask.service() as service:
        await settled(await start(service))
        tasks, kept = service_tasks(), await household(service, dask.proxy)
        await before(service, site, work)
        armed = dask.proxy.arm(MISCHIEFS[fault], on=is_work, at=n)
        await do(service, site, work)
        await armed.until_struck()
        dask.proxy.disarm()
        if service.spawns.find("ada", CLUSTER) is not None:
            await take_away(service)
        assert set(await site.objects("Pod", "Secret")) == {"Pod/lab", "Secret/lab"}
        assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING
        after = await household(service, dask.proxy, tasks)
        assert after == kept
        assert (await make(service)).record.phase is Phase.RUNNING

"""A cluster that refuses everything for a while: at the start, in a spawn, and while labs run."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from dataclasses import replace
from itertools import cycle

import pytest

from spawnpenny.broker.local import run_local_broker
from spawnpenny.domain.spawns import Phase
from spawnpenny.errors import NotReadyError, SpawnpennyError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.service import run_service
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import lab, settled, start, stop
from tests.kit.fault_proxy import changes
from tests.kit.proxy_faults import Cut, Lose, Refuse, Reset

STORMS = [Refuse(429, retry_after=1), Refuse(503), Refuse(500), Refuse(401), Reset()]
ALL = os.environ.get("SPAWNPENNY_TEST_ALL") == "1"


def everything(request):
    return True


@pytest.mark.parametrize("storm", STORMS if ALL else STORMS[:2], ids=str)
async def test_a_service_that_starts_in_a_storm_says_not_ready_until_it_knows(proxied, storm):
    site = proxied.site
    async with site.service() as service:
        await settled(await start(service))
    async with proxied.cluster(patience=1) as cluster:
        behind = replace(site, cluster=cluster)
        storming = proxied.proxy.arm(storm, on=everything, times=None)
        plugins = load_plugins(behind.settings)
        async with (
            run_local_broker(cluster, behind.settings) as broker,
            run_service(behind.settings, plugins, cluster, broker) as service,
        ):
            await storming.until_struck(12)
            with pytest.raises(NotReadyError):
                service.spawns.find("ada", lab())
            assert service.service_context.pods.staleness() == float("inf")
            proxied.proxy.disarm()
            async with asyncio.timeout(PATIENCE):
                await service.until_ready()
            assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING


@pytest.mark.parametrize("storm", STORMS if ALL else STORMS[3:], ids=str)
async def test_labs_that_run_are_reported_as_running_through_a_storm(proxied, storm):
    async with proxied.service(patience=1) as service:
        run = await settled(await start(service))
        storming = proxied.proxy.arm(storm, on=everything, times=None)
        proxied.proxy.break_streams()
        started = service.spawns.find("ada", lab())
        await storming.until_struck(12)
        assert service.spawns.find("ada", lab()) is started is run
        assert run.record.phase is Phase.RUNNING
        proxied.proxy.disarm()
        await proxied.site.cluster.delete(proxied.site.ref("Pod", "lab"), grace=0)
        async with asyncio.timeout(PATIENCE):
            while run.record.phase is Phase.RUNNING:
                await run.bell.next().wait()
        assert run.record.reason.code == "pod_gone"


async def test_asking_for_a_lab_in_a_storm_asks_nothing_of_the_cluster(proxied):
    async with proxied.service() as service:
        await settled(await start(service))
        requests = proxied.proxy.arm(None)
        for _ in range(20):
            assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING
            assert len(service.spawns.all(lab().kind)) == 1
        assert requests.seen == []


@pytest.mark.parametrize("storm", STORMS if ALL else STORMS[2:3], ids=str)
async def test_a_spawn_in_a_storm_runs_or_fails_with_nothing_left(proxied, storm):
    async with proxied.service(patience=1) as service:
        await settled(await start(service, name="other"))
        run = await start(service)
        proxied.proxy.arm(storm, on=everything, times=20)
        proxied.proxy.break_streams()
        await settled(run)
        if run.record.phase is not Phase.RUNNING:
            assert run.record.reason.message.endswith(".")
            assert await proxied.site.objects(spawn=run.record.id) == {}
        proxied.proxy.disarm()
        again = await settled(await start(service, "next", replace=True))
        assert again.record.phase is Phase.RUNNING, again.record.reason


async def test_many_spawns_with_faults_leave_no_more_in_memory_than_few(proxied, household, service_tasks):
    async def spawn_and_stop(service, number, fault):
        proxied.proxy.arm(fault, on=changes, at=number % 4)
        try:
            await settled(await start(service, f"s{number}", replace=True))
        except SpawnpennyError:  # not accepted
            assert fault == Refuse(401)
        proxied.proxy.disarm()
        await stop(service)

    mischiefs = cycle([Lose(), Cut(), Reset(), Refuse(500), Refuse(401)])
    async with proxied.service() as service:
        tasks = service_tasks()
        for number in range(10):
            await spawn_and_stop(service, number, next(mischiefs))
        few, objects = await household(service, proxied.proxy, tasks), our_objects()
        connections = proxied.proxy.connections
        for number in range(10, 50):
            await spawn_and_stop(service, number, next(mischiefs))
        assert await household(service, proxied.proxy, tasks) == few
        grown = our_objects() - objects
        assert {kind: count for kind, count in grown.items() if count > 5} == {}
        assert proxied.proxy.connections <= connections + 5


def our_objects():
    """Count what there is of each class of ours, and of what waits for something.

    Not the timers that were cancelled: the event loop drops them when their time comes.
    """
    gc.collect()
    alive = (item for item in gc.get_objects() if not (isinstance(item, asyncio.TimerHandle) and item.cancelled()))
    kinds = (type(item) for item in alive)
    return Counter(
        kind.__qualname__
        for kind in kinds
        if str(kind.__module__).startswith(("spawnpenny", "_asyncio", "asyncio", "aiohttp"))
        and "testing" not in str(kind.__module__)
    )

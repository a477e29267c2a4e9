"""A service that finds many records: what it does between two turns of the event loop does not grow with them."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from spawnpenny.aio.collector import keep_collections_short
from spawnpenny.broker.local import run_local_broker
from spawnpenny.domain.events import EventLog, EventType
from spawnpenny.domain.spawns import Desired, Phase, Reason, SpawnRequest, StepProgress, StepState
from spawnpenny.domain.users import User
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.service import run_service
from spawnpenny.spawns.record import UserRecord
from spawnpenny.spawns.spawn_record import SpawnRecord
from spawnpenny.spawns.store import RecordStore
from spawnpenny.testing.site import lab, make_site

FEW, MANY = 100, 400
KINDS = {
    "over": {"phase": Phase.FAILED, "reverted": True, "reason": Reason("image_pull", "The image is missing.", "")},
    "without their pods": {"phase": Phase.RUNNING},
    "to be stopped": {"phase": Phase.STOPPING, "desired": Desired.GONE},
}


class LoopProfile:
    """Counts the calls of functions in each turn of the event loop: a measure of work that no other load changes."""

    def __init__(self):
        self.longest = self._calls = 0

    @contextmanager
    def counted(self):
        task = asyncio.create_task(self._run())
        before = sys.getprofile()
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(before)
            task.cancel()

    def _count(self, _frame, what, _argument):
        self._calls += what == "call"

    async def _run(self):
        while True:
            self._calls = 0
            await asyncio.sleep(0)
            self.longest = max(self.longest, self._calls)


async def populate(site, number, kind):
    """Write records as a replica left them that is dead by now."""
    spaces, gone = site.settings.namespaces, "a-dead-replica"
    store = RecordStore(site.cluster, spaces.state, site.settings.installation, gone)
    now = time.time()
    for place in range(number):
        uids = {"Pod/lab": f"pod-{place}", "Secret/lab": f"secret-{place}"}
        steps = [StepProgress(name, StepState.DONE, 0.1) for name in ("namespace", "quota", "lab")]
        spawn = SpawnRecord(
            lab(), f"{place:016x}", 1, SpawnRequest("s1"), "hub", now, now + 300,
            pod_uid=uids["Pod/lab"], uids=uids, steps=steps, log=EventLog(1), **KINDS[kind],
        )  # fmt: skip
        spawn.ended_at = now if spawn.phase.over else None
        for _ in range(5):
            spawn.log.add(EventType.INFO, now, "Something happened.")
        user = User(f"user{place}", 2000 + place, 2000 + place)
        await store.save(UserRecord(user, gone, uid_verified=True, spawns={spawn.key: spawn}, generation=1))


def running(site, plugins, broker, replica):
    """Run a service; what it needs is made already, so that only its own work counts."""
    settings = site.settings
    settings = replace(settings, replicas=replace(settings.replicas, name=replica))
    return run_service(settings, plugins, site.cluster, broker)


async def most_calls(cluster, number, kind):
    """Have a service find so many records, look after them and keep house; return the longest turn, and the phases."""
    site, profile = await make_site(cluster), LoopProfile()
    await populate(site, number, kind)
    plugins = load_plugins(site.settings)
    async with (
        run_local_broker(cluster, site.settings) as broker,
        running(site, plugins, broker, "one") as service,
    ):
        with profile.counted():
            await service.until_ready()
            runs = [run for account in service.spawns.user_states() for run in account.runs.values()]
            assert len(runs) == number or kind == "to be stopped"
            await asyncio.gather(*(run.task for run in runs if run.task is not None))
            await service.maintenance.run_once()
            moved = service.moved.next()
            async with running(site, plugins, broker, "two") as other:
                await moved.wait()
                await other.until_ready()
    return profile.longest, {run.record.phase for run in runs if not run.gone}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_longest_turn_does_not_grow_with_the_records(embedded_site, kind):
    few, _ = await most_calls(embedded_site.cluster, FEW, kind)
    many, phases = await most_calls(embedded_site.cluster, MANY, kind)
    assert phases <= {Phase.FAILED, Phase.EXITED}
    assert many < 1.5 * few, f"{many} calls in one turn with {MANY} records, {few} with {FEW}"


async def test_what_is_taken_in_at_the_start_is_left_out_of_later_collections():
    thresholds, frozen, taken_in = gc.get_threshold(), gc.get_freeze_count(), asyncio.Event()
    task = asyncio.create_task(keep_collections_short(taken_in.wait()))
    await asyncio.sleep(0)
    full = gc.get_stats()[2]["collections"]
    held = [[number] for number in range(200_000)]
    assert gc.get_stats()[2]["collections"] == full
    taken_in.set()
    await task
    try:
        assert gc.get_freeze_count() - frozen > len(held)
        assert gc.get_threshold() == thresholds
    finally:
        gc.unfreeze()

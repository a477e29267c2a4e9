"""A replica that is killed while another one runs (SIGKILL, in a process of its own, with the real API server).

It dies at every call that changes something. The other replica continues with the user, and nothing is made twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Phase
from spawnpenny.spawns.spawn_record import SpawnRecord
from spawnpenny.testing.site import lab, make_site, settled

VICTIM = Path(__file__).parents[1] / "spawns" / "victim.py"
CALLS = {"spawn": 10, "beside": 4, "stop": 4}
PARALLEL = 6
"""The number of processes at once."""


def deaths(work):
    """Return the moments of death: before and after each call; in a usual run only some of them."""
    every = [(at, when) for at in range(CALLS[work]) for when in ("before", "after")]
    return every if os.environ.get("SPAWNPENNY_TEST_ALL") == "1" else [(0, "before"), *every[1::4], *every[2::4]]


@dataclass
class Pods:
    """All pods that ever existed, by their spawn id."""

    uids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    async def watch(self, service):
        with service.service_context.pods.subscribe() as changes:
            async for change in changes:
                metadata = change.object["metadata"]
                self.uids[metadata["labels"][labels.SPAWN]].add(metadata["uid"])


@dataclass
class Death:
    """A replica that was killed, and the uids of the other lab's objects before."""

    site: object
    service: object
    accepted: bool
    beside: dict[str, str]
    pods: Pods

    async def taken_over(self, name="~default"):
        """Return the lab's spawn once the other replica owns the user; None if there is no such lab."""
        if not self.accepted:
            return None
        ownership = self.service.membership.ownership
        await ownership.records.wait_for(ownership.namespace, "user-ada", lambda record: record is not None)
        while True:
            moved = self.service.moved.next()
            if (account := self.found()) is not None:
                run = account.runs.get(lab(name))
                return run if run is None or run.record.phase is Phase.RUNNING else await settled(run)
            await moved.wait()

    def found(self):
        ownership = self.service.membership.ownership
        record = ownership.records.get(ownership.namespace, "user-ada")
        return self.service.spawns.user_state("ada") if ownership.is_mine(record) else None

    def check_ended_once(self, record: SpawnRecord):
        """Check that one event reports it as running, and that it never had a second pod."""
        phases = [event.phase for event in record.log.since(None) if event.phase in {"running", "failed", "exited"}]
        assert phases == ["running"], phases
        assert self.pods.uids[record.id] == {record.pod_uid}


@dataclass
class Killer:
    """A killer of replicas, which have sites of their own, while another replica runs."""

    apiserver: object
    cluster: object
    folder: Path
    limit: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))

    async def kill_at_all_calls(self, work, check):
        """Kill replicas at the calls of some work, side by side, and check the result."""
        async with asyncio.TaskGroup() as group:
            for at, when in deaths(work):
                _ = group.create_task(self.kill(work, at, when, check))

    async def kill(self, work, at, when, check):
        site, beside = await make_site(self.cluster), self.folder / f"{work}-{at}-{when}"
        arguments = {
            "kubeconfig": str(self.apiserver.kubeconfig),
            "data": {**site.data, "replicas": {"lease": 3, "name": "victim"}},
            "beside": str(beside),
            "work": work,
            "at": at,
            "when": when,
        }
        async with site.service("standing") as service:
            pods = Pods()
            watching = asyncio.create_task(pods.watch(service))
            async with self.limit:
                await run_victim(arguments)
            uids = json.loads(beside.read_text()) if beside.exists() else {}
            accepted = (work, at, when) != ("spawn", 0, "before")
            await check(Death(site, service, accepted, uids, pods), (at, when))
            watching.cancel()


async def run_victim(arguments):
    process = await asyncio.create_subprocess_exec(sys.executable, str(VICTIM), json.dumps(arguments))
    try:
        assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def killer(apiserver, kubernetes_cluster, hollow_node, tmp_path):
    return Killer(apiserver, kubernetes_cluster, tmp_path)


async def test_a_first_spawn_of_a_killed_replica_is_finished_by_the_standing_one(killer):
    async def check(death, at):
        run = await death.taken_over()
        assert (run is not None) == death.accepted
        if run is None:
            assert await death.site.objects() == {}
            return
        assert run.record.phase is Phase.RUNNING, run.record.reason
        assert (await death.site.read("Pod", "lab"))["metadata"]["uid"] == run.record.pod_uid
        death.check_ended_once(run.record)

    await killer.kill_at_all_calls("spawn", check)


async def test_the_death_of_a_replica_harms_nothing_else_of_the_user(killer):
    async def check(death, at):
        run = await death.taken_over()
        assert (run is not None) == (at != (0, "before"))
        if run is not None:
            assert run.record.phase is Phase.RUNNING, run.record.reason
            death.check_ended_once(run.record)
        other = death.service.spawns.find("ada", lab("other")) or await death.taken_over("other")
        assert (other.record.phase, other.record.pod_uid) == (Phase.RUNNING, death.beside["Pod/lab-other"])
        death.check_ended_once(other.record)
        assert len(death.beside) > 5
        for name, uid in death.beside.items():
            assert (await death.site.read(*name.split("/")))["metadata"]["uid"] == uid, name

    await killer.kill_at_all_calls("beside", check)


async def test_a_stop_that_a_killed_replica_accepted_is_carried_out_by_the_standing_one(killer):
    async def check(death, at):
        run = await death.taken_over()
        if at == (0, "before"):  # the stop was never recorded
            assert run.record.phase is Phase.RUNNING
            death.check_ended_once(run.record)
            return
        if run is not None:
            await run.until_gone()
            phases = [event.phase for event in run.record.log.since(None)]
            assert phases.count("gone") == 1
        assert death.service.spawns.find("ada", lab()) is None
        assert not {"Pod/lab", "Secret/lab"} & set(await death.site.objects())
        assert all(len(uids) == 1 for uids in death.pods.uids.values())

    await killer.kill_at_all_calls("stop", check)

"""Notices when the pod of a running spawn ends, from the one informer that watches all pods."""

from __future__ import annotations

from dataclasses import dataclass

from spawnpenny.cluster.port import Manifest
from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Desired, Phase
from spawnpenny.pipeline import podstate
from spawnpenny.pipeline.account import Account, Run
from spawnpenny.pipeline.accounts import Accounts
from spawnpenny.pipeline.context import Context
from spawnpenny.pipeline.driver import Driver
from spawnpenny.pipeline.tasks import Tasks
from spawnpenny.pipeline.world import World


@dataclass(frozen=True, slots=True)
class Vigil:
    """Ends the spawns whose pods have ended."""

    world: World
    accounts: Accounts
    tasks: Tasks

    async def run(self) -> None:
        """Watch until cancelled."""
        with self.world.pods.subscribe() as changes:
            async for change in changes:
                self._look(change.object, deleted=change.type == "DELETED")

    def _look(self, pod: Manifest, *, deleted: bool) -> None:
        if not deleted and not podstate.is_lost(pod):
            return
        found = self._running(pod)
        if found is not None:
            account, run = found
            driver = Driver(Context(self.world, account, run))
            run.task = self.tasks.start(driver.end_of_pod(pod if podstate.is_lost(pod) else None))

    def _running(self, pod: Manifest) -> tuple[Account, Run] | None:
        account = self.accounts.by_slug(pod["metadata"].get("labels", {}).get(labels.USER, ""))
        for run in account.runs.values() if account else ():
            record = run.record
            standing = record.phase is Phase.RUNNING and record.desired is Desired.RUNNING
            if account is not None and standing and record.pod == pod["metadata"]["uid"]:
                return account, run
        return None

"""What a starting service does with what it finds: it owns every record, and follows what each spawn is desired to be.

A pod of ours of which no record tells is recorded again from its annotations, never deleted.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import structlog

from spawnpenny.cluster.port import Manifest
from spawnpenny.domain import labels
from spawnpenny.domain.events import EventLog, EventType
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import Desired, Key, Phase, SpawnRequest
from spawnpenny.domain.users import User
from spawnpenny.errors import SpawnpennyError
from spawnpenny.pipeline import podstate
from spawnpenny.pipeline.account import Account, Run
from spawnpenny.pipeline.accounts import Accounts
from spawnpenny.pipeline.context import Context
from spawnpenny.pipeline.driver import Driver, persist
from spawnpenny.pipeline.record import SpawnRecord, UserRecord
from spawnpenny.pipeline.tasks import Tasks
from spawnpenny.pipeline.world import World


@dataclass(frozen=True, slots=True)
class Recovery:
    """Takes over the records and the pods that are there when the service starts."""

    world: World
    accounts: Accounts
    tasks: Tasks

    async def run(self) -> None:
        """Load all records and carry on with all that is under way. The informers have synced before."""
        for record in await self.world.keeper.load():
            self.accounts.add(record)
        for pod in self.world.pods.items():
            if pod["metadata"].get("labels", {}).get(labels.SPAWN) and not podstate.is_over(pod):
                self._record_again(pod)
        for account in self.accounts:
            under_way = [run for run in account.runs.values() if self._is_under_way(account, run)]
            if under_way or account.record.version is None:
                await self._take_over(account, under_way)

    def _record_again(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        username, origin = (metadata.get("annotations", {}).get(key) for key in (labels.USERNAME, labels.ORIGIN))
        if not username or not origin:
            return
        account = self.accounts.by_slug(safe_slug(username)) or self.accounts.add(
            UserRecord(_user_of(pod, username), "")
        )
        told = json.loads(origin)
        key = Key.parse(told["key"])
        if key in account.runs or account.username != username:
            return
        log = structlog.get_logger("spawnpenny.recovery")
        log.warning("a pod without a record is recorded again", user=username, pod=metadata["name"])
        now = time.time()
        account.record.generation += 1
        record = SpawnRecord(
            key=key,
            id=metadata["labels"][labels.SPAWN],
            generation=account.record.generation,
            request=SpawnRequest(told["start"], told["options"]),
            by=told["by"],
            requested_at=now,
            deadline=now + self.world.settings.deadlines.spawn,
            log=EventLog(account.record.generation),
        )
        run = Run(record, begun=None)
        account.runs[key] = run
        account.record.spawns[key] = record
        context = Context(self.world, account, run)
        record.asks = context.asks()

    def _is_under_way(self, account: Account, run: Run) -> bool:
        record = run.record
        if record.phase.over:
            return not record.reverted
        return record.desired is Desired.GONE or record.phase is not Phase.RUNNING or self._has_ended(account, run)

    def _has_ended(self, account: Account, run: Run) -> bool:
        pod = Context(self.world, account, run).pod()
        return run.record.pod is not None and (pod is None or podstate.is_over(pod))

    async def _take_over(self, account: Account, runs: list[Run]) -> None:
        for run in runs:
            account.record.generation += 1
            run.record.generation = run.record.log.generation = account.record.generation
        try:
            await persist(self.world, account)
        except SpawnpennyError as error:
            log = structlog.get_logger("spawnpenny.recovery")
            log.warning("a user is left alone", user=account.username, error=error.message)
            self.accounts.drop(account)
            return
        for run in runs:
            self._carry_on(account, run)

    def _carry_on(self, account: Account, run: Run) -> None:
        context = Context(self.world, account, run)
        driver, record = Driver(context), run.record
        if record.phase.over:
            work = driver.clear()
        elif record.desired is Desired.GONE:
            driver.to_phase(Phase.STOPPING)
            work = driver.go_down()
        elif record.phase is Phase.RUNNING:
            work = driver.end_of_pod(context.pod())
        else:
            context.emit(EventType.INFO, "The service was restarted; the spawn goes on.")
            work = driver.come_up()
        run.task = self.tasks.start(work)


def _user_of(pod: Manifest, username: str) -> User:
    context = pod["spec"].get("securityContext", {})
    return User(username, context.get("runAsUser", 0), context.get("runAsGroup", 0))

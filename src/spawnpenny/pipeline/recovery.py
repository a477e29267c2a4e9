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
from spawnpenny.domain.events import EventType
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import Desired, Key, Phase, SpawnRequest
from spawnpenny.domain.users import User
from spawnpenny.errors import ClusterError, SpawnpennyError
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
        loaded, again = await self.world.keeper.load(), set[str]()
        for record in loaded.records:
            self.accounts.add(record)
        for username, error in loaded.refused.items():
            self._leave_alone(username, error)
        for pod in self.world.pods.items():
            if pod["metadata"].get("labels", {}).get(labels.SPAWN) and not podstate.is_over(pod):
                self._record_again(pod, again)
        for account in self.accounts:
            under_way = [run for run in account.runs.values() if self._is_under_way(account, run)]
            if under_way or account.slug in again:
                await self._take_over(account, under_way)

    def _record_again(self, pod: Manifest, again: set[str]) -> None:
        metadata = pod["metadata"]
        log = structlog.get_logger("spawnpenny.recovery").bind(pod=metadata["name"], namespace=metadata["namespace"])
        try:
            username, record, told = metadata["annotations"][labels.USERNAME], self._record_of(pod), _user_of(pod)
        except (AttributeError, KeyError, TypeError, ValueError):
            log.warning("a pod of ours does not say what it is; it is left alone")
            return
        if self.accounts.is_refused(username):
            return
        slug = safe_slug(username)
        account = self.accounts.by_slug(slug) or self.accounts.add(told)
        if record.key in account.runs or account.username != username:
            return
        log.warning("a pod without a record is recorded again", user=username)
        run = Run(record, begun=None)
        again.add(slug)
        account.runs[record.key] = run
        account.record.spawns[record.key] = record
        context = Context(self.world, account, run)
        try:
            record.asks = context.asks()
        except SpawnpennyError as error:
            log.warning("what it uses is not counted", error=error.message)
        if podstate.is_ready(pod):
            Driver(context).found_running(pod)

    def _record_of(self, pod: Manifest) -> SpawnRecord:
        told = json.loads(pod["metadata"]["annotations"][labels.ORIGIN])
        now = time.time()
        return SpawnRecord(
            key=Key.parse(told["key"]),
            id=pod["metadata"]["labels"][labels.SPAWN],
            generation=0,
            request=SpawnRequest(told["start"], told["options"]),
            by=told["by"],
            requested_at=now,
            deadline=now + self.world.settings.deadlines.spawn,
        )

    def _leave_alone(self, username: str, error: SpawnpennyError) -> None:
        log = structlog.get_logger("spawnpenny.recovery")
        log.warning("a user is left alone", user=username, error=error.message)
        self.accounts.refuse(username, error)

    def _is_under_way(self, account: Account, run: Run) -> bool:
        record = run.record
        if record.desired is Desired.GONE:
            return True
        if record.phase.over:
            return not record.reverted
        return record.phase is not Phase.RUNNING or self._has_ended(account, run)

    def _has_ended(self, account: Account, run: Run) -> bool:
        pod = Context(self.world, account, run).pod()
        return run.record.pod is not None and (pod is None or podstate.is_lost(pod))

    def _is_ready(self, account: Account, run: Run) -> bool:
        namespace = Context(self.world, account, run).names.namespace
        pods = [pod for pod in self.world.pods.items() if pod["metadata"]["namespace"] == namespace]
        return any(
            pod["metadata"]["labels"].get(labels.SPAWN) == run.record.id and podstate.is_ready(pod) for pod in pods
        )

    async def _take_over(self, account: Account, runs: list[Run]) -> None:
        if any(run.record.phase in {Phase.REQUESTED, Phase.PENDING} for run in runs):
            account.record.applied.clear()  # one of the shared steps may have been half done
        for run in runs:
            account.record.generation += 1
            run.record.generation = run.record.log.generation = account.record.generation
        try:
            async with account.lock:
                await self.world.keeper.save(account.record)
        except ClusterError:
            self.tasks.run(self._take_over_later(account, runs))  # nobody else waits for this user's record
        except SpawnpennyError as error:
            self._leave_alone(account.username, error)
        else:
            self._carry_all_on(account, runs)

    async def _take_over_later(self, account: Account, runs: list[Run]) -> None:
        await persist(self.world, account)
        self._carry_all_on(account, runs)

    def _carry_all_on(self, account: Account, runs: list[Run]) -> None:
        for run in runs:
            if run.task is None and account.runs.get(run.record.key) is run:
                self._carry_on(account, run)

    def _carry_on(self, account: Account, run: Run) -> None:
        context = Context(self.world, account, run)
        driver, record = Driver(context), run.record
        if record.desired is Desired.GONE:
            driver.to_phase(Phase.STOPPING)
            work = driver.go_down()
        elif record.phase.over:
            work = driver.clear()
        elif record.phase is Phase.RUNNING:
            work = driver.end_of_pod(context.pod())
        else:
            context.emit(EventType.INFO, "The service was restarted; the spawn goes on.")
            if self._is_ready(account, run):  # it may have been told as running: it gets the time to be so again
                record.deadline = max(record.deadline, time.time() + self.world.settings.deadlines.spawn)
            work = driver.come_up()
        run.task = self.tasks.start(work)


def _user_of(pod: Manifest) -> UserRecord:
    told = json.loads(pod["metadata"]["annotations"][labels.ORIGIN])
    user = User.from_dossier(told["user"])
    return UserRecord(user, "", commissioned=told["commissioned"], vouched=told["vouched"])

"""Adopt users: bring each of their spawns to its desired state.

A replica that starts alone adopts all users; later it adopts those of a replica that died. A pod of ours without a
record is recorded again from its annotations, never deleted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.aio.tasks import Tasks
from spawnpenny.domain import labels
from spawnpenny.domain.events import EventType
from spawnpenny.domain.spawns import Desired, Phase
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.kubernetes.interface import Cluster, Manifest
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.replicas.ownership import slug_of
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.controller import SpawnController
from spawnpenny.spawns.errors import RecordLostError, RecordUnreadableError
from spawnpenny.spawns.main_pod import MainPod
from spawnpenny.spawns.persistence import persist
from spawnpenny.spawns.reporter import Reporter
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.store import read_record, username_of
from spawnpenny.spawns.supervision import supervising_steps
from spawnpenny.spawns.unrecorded_pods import UnrecordedPods
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState

_AT_ONCE: Final = 20
"""The number of users that are adopted at once when the service starts, each with a write of the record."""


@dataclass(slots=True)
class Adoption:
    """Adopts the records and pods of users that become this replica's, and lets go of the others.

    ``started`` says that the first users are known. Changes are not followed before that.
    """

    service_context: ServiceContext
    user_registry: UserRegistry
    tasks: Tasks
    started: bool = False
    _unrecorded: UnrecordedPods = field(init=False)

    def __post_init__(self) -> None:
        self._unrecorded = UnrecordedPods(self.service_context, self.user_registry)

    async def run(self, adopted: Callable[[], None]) -> None:
        """Follow the records until cancelled; call ``adopted`` when the first ones are adopted.

        The informers must have synced. It may run again after a failure: what is in memory stays.
        """
        ownership = self.service_context.ownership
        with ownership.records.subscribe() as changes:
            if self.started:
                await self.consider_all()
            await self._adopt_all()
            adopted()
            async for change in changes:
                if change.type == "DELETED":
                    self.user_registry.readmit(slug_of(change.object))
                    self.service_context.faults.forget("record", slug_of(change.object))
                else:
                    self._follow_alone(ownership.latest(change.object))

    async def consider_all(self) -> None:
        """Look at all users again after other replicas have come or gone."""
        if self.started:
            async for record in self._records():
                self._follow_alone(record)

    async def _records(self) -> AsyncIterator[Manifest]:
        """Yield all records in their latest state, with pauses."""
        records = self.service_context.ownership.records
        async for known in paced(records.items()):
            record = records.get(known["metadata"]["namespace"], known["metadata"]["name"])
            if record is not None:
                yield record

    async def catch_up(self, cluster: Cluster) -> None:
        """Look at all users again, from the cluster and not from the cache.

        Raises:
            ClusterError: The cluster does not answer.

        """
        if not self.started:
            return
        ownership, settings = self.service_context.ownership, self.service_context.settings
        selector = {**labels.ours(settings.installation), labels.KIND: "record"}
        listing = await cluster.list(resource_of("Secret"), namespace=ownership.namespace, labels=selector)
        cached = {record["metadata"]["name"]: _version(record) for record in ownership.records.items()}
        async for record in paced(listing.items):
            latest = ownership.latest(record)
            changed = _version(latest) != cached.get(record["metadata"]["name"])
            self._follow_alone(latest if changed else record)

    def _follow_alone(self, record: Manifest) -> None:
        """Follow one record. An error in it affects no other user."""
        with self._for_one(record):
            self._follow(record)

    @contextmanager
    def _for_one(self, record: Manifest) -> Iterator[None]:
        """Work on one record. If that fails unexpectedly, its user is refused."""
        slug, username = slug_of(record), username_of(record)
        with self.service_context.faults.isolated("record", slug):
            try:
                yield
            except Exception:
                self.user_registry.refuse(
                    slug, username, RecordUnreadableError(f"The record of {username} cannot be used.")
                )
                raise

    def _follow(self, record: Manifest) -> None:
        """Update the state in memory from a record that another process wrote."""
        held, mine = self.user_registry.by_slug(slug_of(record)), self.service_context.ownership.is_mine(record)
        if held is not None:
            if mine and (self._is_known(held, record["metadata"]["resourceVersion"]) or self._wrote(held, record)):
                return  # memory is newer
            self.user_registry.let_move(held)
        self.user_registry.readmit(slug_of(record))
        if mine and (user_state := self._adopt(record)) is not None and (runs := self._under_way(user_state)):
            self.tasks.run(self._resume(user_state, runs))

    def _is_known(self, held: UserState, version: str) -> bool:
        return version in {held.record.version, held.adopted}

    def _wrote(self, held: UserState, record: Manifest) -> bool:
        """Return whether this user state wrote a record, and not an earlier state of the same user."""
        if record["metadata"].get("annotations", {}).get(labels.OWNER) != self.service_context.ownership.me.identity:
            return False
        with suppress(SpawnpennyError):
            return read_record(record).is_by(held.record.writer_id)
        return False

    async def _adopt_all(self) -> None:
        ownership, self.started = self.service_context.ownership, True
        async for record in self._records():
            with self._for_one(record):
                if ownership.is_mine(record) and self.user_registry.by_slug(slug_of(record)) is None:
                    self._adopt(record)
        again, user_registry = await self._unrecorded.record(), iter(self.user_registry)

        async def worker() -> None:
            async for user_state in paced(user_registry, at_once=1):
                with self.service_context.faults.isolated("user", user_state.slug):
                    runs = self._without_task(user_state)
                    if runs or user_state.slug in again:
                        await self._resume(user_state, runs)

        await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))

    async def record_again(self) -> None:
        """Record pods again whose users have no record now, even if they had one at the start."""
        async for slug in paced(await self._unrecorded.record(known=False)):
            user_state = self.user_registry.by_slug(slug)
            if user_state is not None:
                self.tasks.run(self._resume(user_state, self._without_task(user_state)))

    def _adopt(self, record: Manifest) -> UserState | None:
        try:
            return self.user_registry.add(read_record(record, kinds=self.service_context.plugins.kinds))
        except SpawnpennyError as error:
            self._leave_alone(slug_of(record), username_of(record), error)
            return None

    def _without_task(self, user_state: UserState) -> list[ActiveSpawn]:
        """Return the spawns that need work and have no task yet."""
        return [run for run in self._under_way(user_state) if run.task is None]

    def _under_way(self, user_state: UserState) -> list[ActiveSpawn]:
        return [run for run in user_state.runs.values() if self._is_under_way(user_state, run)]

    def _leave_alone(self, slug: str, username: str, error: SpawnpennyError) -> None:
        log = structlog.get_logger("spawnpenny.adoption")
        log.warning("a user is left alone", user=username, code=error.code, error=error.message)
        self.user_registry.refuse(slug, username, error)

    def _is_under_way(self, user_state: UserState, run: ActiveSpawn) -> bool:
        record = run.record
        if record.desired is Desired.GONE:
            return True
        if record.key.kind not in self.service_context.plugins.kinds:
            return False  # it stays as it is until its plugin is loaded again, or somebody stops it
        if record.phase.over:
            return not record.reverted
        if record.phase is not Phase.RUNNING or self._has_ended(user_state, run):
            return True
        context = SpawnContext(self.service_context, user_state, run)
        return bool(supervising_steps(context.pipeline)) or MainPod(context).new_url() is not None

    def _has_ended(self, user_state: UserState, run: ActiveSpawn) -> bool:
        pod = MainPod(SpawnContext(self.service_context, user_state, run)).cached()
        return run.record.pod_uid is not None and (pod is None or pod_status.is_lost(pod))

    def _is_ready(self, user_state: UserState, run: ActiveSpawn) -> bool:
        namespace = SpawnContext(self.service_context, user_state, run).names.namespace
        pods = self.service_context.pods.within(namespace)
        return any(
            pod["metadata"]["labels"].get(labels.SPAWN) == run.record.id
            and labels.PART not in pod["metadata"]["labels"]
            and pod_status.is_ready(pod)
            for pod in pods
        )

    async def _resume(self, user_state: UserState, runs: list[ActiveSpawn]) -> None:
        if any(run.record.phase in {Phase.REQUESTED, Phase.PENDING} for run in runs):
            user_state.record.applied.clear()  # a shared step may be half done
        for run in runs:
            user_state.record.generation += 1
            run.record.generation = run.record.log.generation = user_state.record.generation
            if run.record.phase is Phase.RUNNING:
                _ = MainPod(SpawnContext(self.service_context, user_state, run)).follow()
        try:
            async with user_state.lock:
                user_state.demand_here()
                await self.service_context.store.save(user_state.record)
        except ClusterError:
            self.tasks.run(self._resume_later(user_state, runs))  # other users must not wait for this record
        except (ElsewhereError, RecordLostError):
            return  # the other writer's record follows from the cache
        except SpawnpennyError as error:
            self._leave_alone(user_state.slug, user_state.username, error)
        else:
            self._start_tasks(user_state, runs)

    async def _resume_later(self, user_state: UserState, runs: list[ActiveSpawn]) -> None:
        await persist(self.service_context, user_state)
        self._start_tasks(user_state, runs)

    def _start_tasks(self, user_state: UserState, runs: list[ActiveSpawn]) -> None:
        for run in runs if not user_state.moved else ():
            if run.task is None and user_state.runs.get(run.record.key) is run:
                self._start_task(user_state, run)

    def _start_task(self, user_state: UserState, run: ActiveSpawn) -> None:
        context = SpawnContext(self.service_context, user_state, run)
        controller, record = SpawnController(context), run.record
        if record.desired is Desired.GONE:
            controller.set_phase(Phase.STOPPING)
            work: Callable[[], Coroutine[Any, Any, None]] = controller.stop
        elif record.phase.over:
            work = controller.clean_up
        elif record.phase is Phase.UNDOING and record.reason is not None:
            work = controller.resume_undo
        elif record.phase is Phase.RUNNING:
            work = (
                partial(controller.end_of_pod, MainPod(context).cached())
                if self._has_ended(user_state, run)
                else controller.supervise
            )
        else:
            Reporter(context).emit(EventType.INFO, "The service was restarted; the spawn goes on.")
            if self._is_ready(user_state, run):  # it may have been reported as running: give it time to run again
                record.deadline = max(record.deadline, time.time() + self.service_context.settings.deadlines.spawn)
            work = controller.start
        run.task = self.tasks.start(controller.carry_out(work))


def _version(record: Manifest) -> str:
    version: str = record["metadata"]["resourceVersion"]
    return version

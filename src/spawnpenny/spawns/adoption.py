"""Adopt users: bring each of their spawns to its desired state.

A replica that starts alone adopts all users; later it adopts those of a replica that died. A pod of ours without a
record is recorded again from its annotations, never deleted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.aio.tasks import Tasks
from spawnpenny.domain import labels
from spawnpenny.domain.events import EventType
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import Desired, Phase
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.kubernetes.interface import Cluster, Manifest
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.replicas.ownership import slug_of
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.controller import SpawnController, persist
from spawnpenny.spawns.errors import RecordLostError, RecordUnreadableError
from spawnpenny.spawns.main_pod import MainPod
from spawnpenny.spawns.origin import read_origin
from spawnpenny.spawns.reporter import Reporter
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.store import read_record, username_of
from spawnpenny.spawns.supervision import supervising_steps
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState

_AT_ONCE: Final = 20
"""How many users are taken over at once when the service starts, each with a write of the record."""


@dataclass(slots=True)
class Recovery:
    """Takes over the records and the pods of the users who become this replica's, and lets go of those that do not.

    ``begun`` says that it knows the users that there were at first; nothing is followed before that.
    """

    service_context: ServiceContext
    user_registry: UserRegistry
    tasks: Tasks
    begun: bool = False

    async def run(self, taken_over: Callable[[], None]) -> None:
        """Follow the records until cancelled; ``taken_over`` is called when those that were there are looked after.

        The informers have synced before. It may be run again after a failure: what is in memory stays.
        """
        ownership = self.service_context.ownership
        with ownership.records.subscribe() as changes:
            if self.begun:
                await self.consider_all()
            await self._take_all_over()
            taken_over()
            async for change in changes:
                if change.type == "DELETED":
                    self.user_registry.welcome(slug_of(change.object))
                    self.service_context.faults.forget("record", slug_of(change.object))
                else:
                    self._follow_alone(ownership.latest(change.object))

    async def consider_all(self) -> None:
        """Look at all users again, as other replicas are alive now than before."""
        if self.begun:
            async for record in self._records():
                self._follow_alone(record)

    async def _records(self) -> AsyncIterator[Manifest]:
        """Yield the records that there are, as they are by then, with pauses."""
        records = self.service_context.ownership.records
        async for known in paced(records.items()):
            record = records.get(known["metadata"]["namespace"], known["metadata"]["name"])
            if record is not None:
                yield record

    async def catch_up(self, cluster: Cluster) -> None:
        """Look at all users again as they are stored now, not as the cache has them.

        Raises:
            ClusterError: The cluster does not answer.

        """
        if not self.begun:
            return
        ownership, settings = self.service_context.ownership, self.service_context.settings
        desired = {**labels.ours(settings.installation), labels.KIND: "record"}
        listing = await cluster.list(resource_of("Secret"), namespace=ownership.namespace, labels=desired)
        heard = {each["metadata"]["name"]: _version(each) for each in ownership.records.items()}
        async for record in paced(listing.items):
            latest = ownership.latest(record)
            is_news = _version(latest) != heard.get(record["metadata"]["name"])
            self._follow_alone(latest if is_news else record)

    def _follow_alone(self, record: Manifest) -> None:
        """Follow one record; what is wrong with it harms nobody else."""
        with self._for_one(record):
            self._follow(record)

    @contextmanager
    def _for_one(self, record: Manifest) -> Iterator[None]:
        """Work on one record. Where that fails unexpectedly, its user is left alone."""
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
        """Bring the state in memory into accord with a record that another process wrote."""
        held, mine = self.user_registry.by_slug(slug_of(record)), self.service_context.ownership.is_mine(record)
        if held is not None:
            if mine and (self._is_known(held, record["metadata"]["resourceVersion"]) or self._wrote(held, record)):
                return  # memory knows better
            self.user_registry.let_move(held)
        self.user_registry.welcome(slug_of(record))
        if mine and (user_state := self._adopt(record)) is not None and (runs := self._under_way(user_state)):
            self.tasks.run(self._take_over(user_state, runs))

    def _is_known(self, held: UserState, version: str) -> bool:
        return version in {held.record.version, held.adopted}

    def _wrote(self, held: UserState, record: Manifest) -> bool:
        """Return whether a user state wrote a record itself, and not one that was here before it."""
        if record["metadata"].get("annotations", {}).get(labels.OWNER) != self.service_context.ownership.me.identity:
            return False
        with suppress(SpawnpennyError):
            return read_record(record).is_by(held.record.writer_id)
        return False

    async def _take_all_over(self) -> None:
        ownership, self.begun = self.service_context.ownership, True
        async for record in self._records():
            with self._for_one(record):
                if ownership.is_mine(record) and self.user_registry.by_slug(slug_of(record)) is None:
                    self._adopt(record)
        again, user_registry = await self._find_unrecorded(), iter(self.user_registry)

        async def take_over() -> None:
            async for user_state in paced(user_registry, at_once=1):
                with self.service_context.faults.isolated("account", user_state.slug):
                    runs = self._untended(user_state)
                    if runs or user_state.slug in again:
                        await self._take_over(user_state, runs)

        await asyncio.gather(*(take_over() for _ in range(_AT_ONCE)))

    async def record_again(self) -> None:
        """Record the pods again of users who have no record, though there may have been one at the start."""
        async for slug in paced(await self._find_unrecorded(known=False)):
            user_state = self.user_registry.by_slug(slug)
            if user_state is not None:
                self.tasks.run(self._take_over(user_state, self._untended(user_state)))

    async def _find_unrecorded(self, *, known: bool = True) -> set[str]:
        """Record such pods again, of users who are known as well or not; return whose they are."""
        again, pods = set[str](), self.service_context.pods
        async for pod in paced(pods.items()):
            metadata = pod["metadata"]
            carried = metadata.get("labels", {})
            slug = carried.get(labels.USER, "")
            desired = known or slug in again or self.user_registry.by_slug(slug) is None
            is_one = carried.get(labels.SPAWN) and labels.PART not in carried
            latest = pods.get(metadata["namespace"], metadata["name"]) if desired and is_one else None
            if latest is not None and latest["metadata"]["uid"] == metadata["uid"] and not pod_status.is_over(latest):
                with self.service_context.faults.isolated("pod", f"{metadata['namespace']}/{metadata['name']}"):
                    self._record_again(latest, again)
        return again

    def _adopt(self, record: Manifest) -> UserState | None:
        try:
            return self.user_registry.add(read_record(record))
        except SpawnpennyError as error:
            self._leave_alone(slug_of(record), username_of(record), error)
            return None

    def _untended(self, user_state: UserState) -> list[ActiveSpawn]:
        """Return the spawns that something has to be done for, and that nobody does it for yet."""
        return [run for run in self._under_way(user_state) if run.task is None]

    def _under_way(self, user_state: UserState) -> list[ActiveSpawn]:
        return [run for run in user_state.runs.values() if self._is_under_way(user_state, run)]

    def _record_again(self, pod: Manifest, again: set[str]) -> None:
        metadata = pod["metadata"]
        log = structlog.get_logger("spawnpenny.recovery").bind(pod=metadata["name"], namespace=metadata["namespace"])
        try:
            record, user = read_origin(pod, seconds=self.service_context.settings.deadlines.spawn)
        except (AttributeError, KeyError, TypeError, ValueError):
            log.warning("a pod of ours does not say what it is; it is left alone")
            return
        username, slug = user.user.username, safe_slug(user.user.username)
        if self.user_registry.is_refused(slug):
            return
        user_state = self.user_registry.by_slug(slug)
        if user_state is None:
            if not self.service_context.ownership.is_new_to_me(slug):
                return
            user_state = self.user_registry.add(user)
        if record.key in user_state.runs or user_state.username != username:
            return
        log.warning("a pod without a record is recorded again", user=username)
        run = ActiveSpawn(record, begun=None)
        again.add(slug)
        user_state.runs[record.key] = run
        user_state.record.spawns[record.key] = record
        context = SpawnContext(self.service_context, user_state, run)
        try:
            record.resources = StepView(context).budget.resources()
        except SpawnpennyError as error:
            log.warning("what it uses is not counted", error=error.message)
        if pod_status.is_ready(pod):
            SpawnController(context).found_running(pod)

    def _leave_alone(self, slug: str, username: str, error: SpawnpennyError) -> None:
        log = structlog.get_logger("spawnpenny.recovery")
        log.warning("a user is left alone", user=username, code=error.code, error=error.message)
        self.user_registry.refuse(slug, username, error)

    def _is_under_way(self, user_state: UserState, run: ActiveSpawn) -> bool:
        record = run.record
        if record.desired is Desired.GONE:
            return True
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

    async def _take_over(self, user_state: UserState, runs: list[ActiveSpawn]) -> None:
        if any(run.record.phase in {Phase.REQUESTED, Phase.PENDING} for run in runs):
            user_state.record.applied.clear()  # one of the shared steps may have been half done
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
            self.tasks.run(self._take_over_later(user_state, runs))  # nobody else waits for this user's record
        except (ElsewhereError, RecordLostError):
            return  # the other writer's record is followed when the cache has it
        except SpawnpennyError as error:
            self._leave_alone(user_state.slug, user_state.username, error)
        else:
            self._carry_all_on(user_state, runs)

    async def _take_over_later(self, user_state: UserState, runs: list[ActiveSpawn]) -> None:
        await persist(self.service_context, user_state)
        self._carry_all_on(user_state, runs)

    def _carry_all_on(self, user_state: UserState, runs: list[ActiveSpawn]) -> None:
        for run in runs if not user_state.moved else ():
            if run.task is None and user_state.runs.get(run.record.key) is run:
                self._carry_on(user_state, run)

    def _carry_on(self, user_state: UserState, run: ActiveSpawn) -> None:
        context = SpawnContext(self.service_context, user_state, run)
        controller, record = SpawnController(context), run.record
        if record.desired is Desired.GONE:
            controller.to_phase(Phase.STOPPING)
            work: Callable[[], Coroutine[Any, Any, None]] = controller.go_down
        elif record.phase.over:
            work = controller.clear
        elif record.phase is Phase.UNDOING and record.reason is not None:
            work = controller.go_on_undoing
        elif record.phase is Phase.RUNNING:
            work = (
                partial(controller.end_of_pod, MainPod(context).cached())
                if self._has_ended(user_state, run)
                else controller.supervise
            )
        else:
            Reporter(context).emit(EventType.INFO, "The service was restarted; the spawn goes on.")
            if self._is_ready(user_state, run):  # it may have been reported as running: it gets the time to be so again
                record.deadline = max(record.deadline, time.time() + self.service_context.settings.deadlines.spawn)
            work = controller.come_up
        run.task = self.tasks.start(controller.see_through(work))


def _version(record: Manifest) -> str:
    version: str = record["metadata"]["resourceVersion"]
    return version

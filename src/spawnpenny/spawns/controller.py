"""Bring one spawn to the desired state of its record: up, down, or to its end.

Each method is the body of one task. A task that is cancelled undoes nothing by itself: its canceller decides
what follows. A DELETE starts ``go_down``, which waits for the cancelled task first; a service that shuts down
leaves the rest to the one that starts next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.aio.settle import settle
from spawnpenny.domain.broker_errors import BrokerRefusedError, BrokerUnavailableError
from spawnpenny.domain.events import EventType, Severity
from spawnpenny.domain.spawns import Desired, Kind, Phase, Reason
from spawnpenny.errors import SpawnError, SpawnpennyError
from spawnpenny.kubernetes.errors import ClusterError, NotFoundError, TerminatingError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.kubernetes.pods.endings import stuck_pods
from spawnpenny.kubernetes.pods.grace_period import longest_grace
from spawnpenny.pipeline.errors import DeadlineError, StepFailedError
from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.spawns.deletion import purge
from spawnpenny.spawns.errors import PodStuckError, RecordLostError
from spawnpenny.spawns.main_pod import MainPod, pods_of
from spawnpenny.spawns.room import until_room
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.spawn_record import Replaced
from spawnpenny.spawns.start_queue import Permit
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.supervision import supervise
from spawnpenny.spawns.user_state import UserState

_SOON: Final = 0.5
"""The first pause where a short outage of the cluster is the likely cause."""
_LAG: Final = 1.0
"""Seconds before a pod that the cluster has and the informer has not is looked at again, at first."""
_STUCK: Final = "What it made does not go; it is tried again."
_ARRIVED: Final = frozenset({Phase.RUNNING, Phase.FAILED, Phase.EXITED})


class SpawnController:
    """Drives the spawn of one context."""

    def __init__(self, context: SpawnContext) -> None:
        self._context = context
        self._view = StepView(context)
        self._reporter = self._view.reporter
        self._pod = MainPod(context)
        self._service_context = context.service_context
        self._user_state = context.user_state
        self._run = context.run
        self._record = context.run.record
        self._known = False
        self._undoing_shown = False
        self._log = structlog.get_logger("spawnpenny.spawn").bind(**self._marks())

    async def see_through(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do one of the following. Where that fails by an error that nobody foresaw, settle the spawn all the same.

        Raises:
            SpawnpennyError: Another replica has the user by now.

        """
        self._mark_logs()
        waits = pauses()
        while True:
            try:
                await work()
            except (ElsewhereError, RecordLostError):
                raise
            except Exception:
                self._log.exception("a spawn failed unexpectedly")
                if self._user_state.moved:
                    raise
            else:
                return
            await asyncio.sleep(next(waits))
            work = self._remedy()

    def _remedy(self) -> Callable[[], Coroutine[Any, Any, None]]:
        """Return what is to be done where the last attempt failed unexpectedly: what runs goes on running."""
        record, pod = self._record, self._pod.cached()
        if record.desired is Desired.GONE:
            return self.go_down
        if record.phase.over:
            return self.clear
        if record.phase is not Phase.RUNNING:
            return self.go_on_undoing
        self._run.ending = record.pod_uid is not None and (pod is None or pod_status.is_lost(pod))
        return partial(self._end, StepFailedError(self._unexpected())) if self._run.ending else self.supervise

    async def come_up(self, after: asyncio.Task[None] | None = None) -> None:
        """Apply the pipeline; on failure take away what it made, and say why.

        ``after`` is what changed the spawn that this one replaces: it is broken off first, as this one takes all away.
        """
        self._mark_logs()
        try:
            async with asyncio.timeout(self._record.deadline - time.time()):
                await self._end_of(after)
                await self._apply()
        except TimeoutError:
            await self._undo(self._too_late())
        except SpawnpennyError as error:
            await self._undo(error)
        except Exception:  # noqa: BLE001 - whatever it is, what the spawn made has to go
            self._log.exception("a spawn failed unexpectedly")
            await self._undo(StepFailedError(self._unexpected()))
        else:
            if await self._arrive():
                await self.supervise()

    async def supervise(self) -> None:
        """Supervise the running spawn, until it ends or is stopped."""
        self._mark_logs()
        try:
            await supervise(self._view.supervising())
        except SpawnError as error:
            self._run.ending = True
            await self._end(error)

    async def go_down(self, after: asyncio.Task[None] | None = None, *, written: bool = True) -> None:
        """Take the spawn away, and forget it.

        ``after`` is what changed it until now, and is broken off first. ``written`` says that the order to take it away
        is known to be recorded.
        """
        self._mark_logs()
        await self._end_of(after)
        if not written:
            await self._persist()
        if not self._record.reverted:
            await self._take_away()
        if self._record.key.kind is Kind.USER and not await self._retire():
            return
        if self._record.purge:
            await purge(self._context)
        async with self._user_state.lock:
            self._user_state.forget(self._run)
        await self._persist()
        self._reporter.emit(EventType.PHASE, "gone", phase="gone")
        self._log.info("gone")
        self._run.replaced_are_gone()
        self._run.vanish()

    async def _retire(self) -> bool:
        """Take away for good what the user's spawns shared; return whether the user is retired."""
        waits = pauses()
        while True:
            try:
                for step, spawn in self._view.retiring():
                    await step.retire(spawn)
            except (ClusterError, BrokerUnavailableError, BrokerRefusedError) as error:
                self._reporter.notify(
                    f"Retiring takes long ({error.title.lower()}); it is tried again.", severity=Severity.WARNING
                )
                self._log.warning("a user cannot be retired yet", error=error.message)
                await asyncio.sleep(next(waits))
            except SpawnpennyError as error:
                return await self._stays(error)
            except Exception:  # noqa: BLE001 - a plugin's mistake; the user would be in retirement for ever
                self._log.exception("retiring failed unexpectedly")
                return await self._stays(StepFailedError(self._unexpected()))
            else:
                self._user_state.record.retire()
                return True

    async def _stays(self, error: SpawnpennyError) -> bool:
        self._record.desired = Desired.RUNNING
        self._close(Phase.FAILED, reason_of(error, error.message))
        await self._persist()
        return False

    async def end_of_pod(
        self, pod: Manifest | None, after: asyncio.Task[None] | None = None, *, last: Manifest | None = None
    ) -> None:
        """Say why the pod of a running spawn is no more (None: it is gone), and take away what is left.

        ``after`` is what has looked after it until now, ``last`` the state in which the pod was seen last.
        """
        self._mark_logs()
        await self._end_of(after)
        if pod is None:
            pod = await self._found_again()
            if pod is not None and not pod_status.is_lost(pod):
                self._run.ending = False  # without a pause since the pod was looked at: no event is missed
                self._log.warning("a pod was told as gone that is there")
                await self.supervise()
                return
        await self._end(_end_of_pod(pod, last))

    async def go_on_undoing(self) -> None:
        """Take away what is left of a spawn whose failure is known, and say why it failed."""
        self._mark_logs()
        await self._undo_for(self._record.reason or Reason(StepFailedError.code, self._unexpected()))

    async def _end(self, error: SpawnError) -> None:
        self._close(Phase.EXITED, reason_of(error, self._reporter.scrub(error.message)))
        await self._persist()
        await self.clear()

    def found_running(self, pod: Manifest) -> None:
        """Adopt a Ready pod without a record as a running spawn."""
        metadata = pod["metadata"]
        self._record.uids[f"Pod/{metadata['name']}"] = self._record.pod_uid = metadata["uid"]
        self._record.url = self._pod.url(pod)
        self.to_phase(Phase.RUNNING)

    async def clear(self) -> None:
        """Take away what is left of a spawn that is over."""
        self._mark_logs()
        self._record.reverted = await self._take_away()
        await self._persist()

    def to_phase(self, phase: Phase, reason: Reason | None = None) -> None:
        """Change the phase, and report it."""
        self._record.phase = phase
        message, code = (reason.message, reason.code) if reason else ("", None)
        seconds = round(time.time() - self._record.requested_at, 3) if phase in _ARRIVED else None
        severity = Severity.WARNING if reason else None
        self._reporter.emit(
            EventType.PHASE, message or phase, phase=phase, code=code, seconds=seconds, severity=severity
        )
        self._log.info("phase", phase=phase, reason=message or None)

    def _mark_logs(self) -> None:
        """Put the spawn's id into every line that this task and the steps' tasks log."""
        structlog.contextvars.bind_contextvars(**self._marks())

    def _marks(self) -> dict[str, str]:
        return {"spawn": self._record.id, "user": self._user_state.username, "key": str(self._record.key)}

    async def _end_of(self, after: asyncio.Task[None] | None) -> None:
        if after is not None and not after.done():
            after.cancel()
            if self._record.phase not in {Phase.RUNNING, Phase.STOPPING}:  # looking after what runs ends at once
                self._reporter.notify("Waiting for what was under way to end.")
            await settle({after})

    async def _apply(self) -> None:
        await self._take_away_replaced()
        await until_room(self._view.budget.blocking, self._reporter.notify)
        permit = Permit(self._service_context.start_queue)
        await permit.take(self._reporter.notify)
        try:
            self.to_phase(Phase.PENDING)
            started: set[str] = set()
            if self._run.begun is not None:
                self._run.begun = started
            await self._view.runner(permit=permit).apply(started)
        finally:
            permit.give_back()

    async def _found_again(self) -> Manifest | None:
        """Return the pod once the cache has it again, or None when the cluster itself says that it is gone."""
        ref, waits = self._pod.ref(), pauses(_LAG)
        while (pod := self._pod.cached()) is None and ref is not None and await self._is_there_after_all():
            with suppress(TimeoutError):
                async with asyncio.timeout(next(waits)):
                    await self._service_context.pods.wait_for(ref.namespace, ref.name, lambda found: found is not None)
        return pod

    async def _is_there_after_all(self) -> bool:
        """Ask the cluster itself: an empty list at the wrong moment must not end a lab."""
        ref, waits = self._pod.ref(), pauses(_SOON)
        while ref is not None:
            try:
                existing = await self._service_context.cluster.read(ref)
            except ClusterError as error:
                if self._context.lost_its_namespace(error):
                    return False
                self._log.warning("it cannot be told whether a pod is gone", error=error.message)
                await asyncio.sleep(next(waits))
            else:
                return (
                    existing is not None
                    and existing["metadata"]["uid"] == self._record.pod_uid
                    and not pod_status.is_lost(existing)
                )
        return False

    async def _arrive(self) -> bool:
        pod = self._pod.cached()
        if self._record.pod_uid is not None and (pod is None or pod_status.is_lost(pod)):
            # It ended after its step was done, when nobody waited for it and the pod watcher did not count it yet.
            await self._undo(_end_of_pod(pod))
            return False
        _ = self._pod.follow()  # nobody did, between the end of its step and now
        self._record.forget_secrets()
        self.to_phase(Phase.RUNNING)
        await self._persist()
        return True

    async def _undo(self, error: SpawnpennyError) -> None:
        reason = reason_of(error, self._reporter.scrub(error.message))
        if isinstance(error, NotFoundError | TerminatingError):
            self._user_state.record.applied.clear()  # the namespace went away under us: nothing in it can be relied on
        await self._undo_for(reason)

    async def _undo_for(self, reason: Reason) -> None:
        self._record.reason = reason
        if not self._undoing_shown:
            self._undoing_shown = True
            self.to_phase(Phase.UNDOING, reason)
        self._record.reverted = await self._take_away()
        self._close(Phase.FAILED, reason)
        await self._persist()

    def _close(self, phase: Phase, reason: Reason) -> None:
        self._record.reason = reason
        self._record.ended_at = time.time()
        self._record.url = None
        self._record.forget_secrets()
        self._record.secrets.clear()
        self._run.trouble = None  # by its traceback it holds all that was under way
        self.to_phase(phase, reason)

    def _unexpected(self) -> str:
        return f"Something went wrong. An administrator finds the cause in the log, under {self._record.id}."

    def _too_late(self) -> SpawnError:
        message = f"It was not ready within its {self._record.deadline - self._record.requested_at:.0f} seconds."
        trouble = self._run.trouble or self._held_up()
        if trouble is not None:
            return type(trouble)(f"{message} {trouble.message}", advice=trouble.advice)
        last = f" It was waiting for this: {self._run.waiting_for}" if self._run.waiting_for else ""
        return DeadlineError(f"{message}{last}")

    async def _take_away(self) -> bool:
        """Take away what the spawn made, and what it replaced; return whether nothing is left."""
        clean = await self._take_away_replaced()
        return await self._revert(self._run.begun) and clean

    async def _take_away_replaced(self) -> bool:
        for replaced in list(self._record.replaces):
            if await self._revert(None, replaced):
                self._record.replaces.remove(replaced)
        self._run.replaced_are_gone()
        return not self._record.replaces

    async def _revert(self, begun: set[str] | None, replaced: Replaced | None = None) -> bool:
        """Revert until all is reverted; return False where a step cannot.

        What the cluster refuses now is tried again, with longer and longer pauses. A step that fails by
        itself would fail again: it is left, and logged.
        """
        runner, waits, clean = self._view.runner(replaced), pauses(), True
        while begun is None or begun:
            try:
                async with asyncio.timeout(self._patience(replaced)):
                    told = await runner.revert(begun)
            except TimeoutError:
                await self._takes_long(self._stuck(replaced))
            else:
                failed = {n: error for n, error in told.items() if not self._context.lost_its_namespace(error)}
                begun = {name for name, error in failed.items() if isinstance(error, ClusterError | TimeoutError)}
                clean = clean and len(begun) == len(failed)
                if not begun:
                    break
                await self._takes_long(f"Taking it away takes long ({', '.join(failed)}); it is tried again.")
            await asyncio.sleep(next(waits))
        return clean

    def _patience(self, replaced: Replaced | None) -> float:
        """Return the seconds that taking away may take: pods may use their grace period."""
        pods = self._service_context.pods.within(self._context.names.namespace)
        grace = longest_grace(pods, replaced.id if replaced else self._record.id)
        return self._service_context.settings.deadlines.stop + grace

    def _stuck(self, replaced: Replaced | None) -> str:
        """Return what holds up the taking away."""
        pods = stuck_pods(pods_of(self._context, replaced.id if replaced else self._record.id))
        return f"{' '.join(pods)} It is tried again." if pods else _STUCK

    def _held_up(self) -> SpawnError | None:
        """Return what of a spawn that this one replaces does not go, and holds it up."""
        pods = [pod for replaced in self._record.replaces for pod in pods_of(self._context, replaced.id)]
        found = stuck_pods(pods)
        return PodStuckError(" ".join(["The one before is not gone yet.", *found])) if found else None

    async def _takes_long(self, message: str) -> None:
        self._reporter.notify(message, severity=Severity.WARNING)
        if self._record.phase is Phase.UNDOING and not self._known:
            self._known = True  # a service that takes over has the reason, and does not begin anew
            await self._persist()

    async def _persist(self) -> None:
        await persist(self._service_context, self._user_state)


async def persist(service_context: ServiceContext, user_state: UserState) -> None:
    """Write a user state's record, however long the cluster takes to answer, unless the user state has moved.

    Raises:
        RecordLostError: Another replica has taken the user over.

    """
    waits = pauses(_SOON)
    while True:
        try:
            async with user_state.lock:
                user_state.demand_here()
                await service_context.store.save(user_state.record)
        except ClusterError as error:
            log = structlog.get_logger("spawnpenny.spawn")
            log.warning("the record cannot be written yet", user=user_state.username, error=error.message)
            await asyncio.sleep(next(waits))
        else:
            return


def reason_of(error: SpawnpennyError, message: str) -> Reason:
    """Return what a record keeps of an error."""
    return Reason(error.code, message, error.advice, error.facts.get("exit_code"))


def _end_of_pod(pod: Manifest | None, last: Manifest | None = None) -> SpawnError:
    return pod_status.ending(pod, quote=None) if pod is not None else pod_status.deletion(last)

"""The controller of one spawn: it brings the spawn to the desired state of its record: up, down, or to its end.

Every public coroutine is the body of one task. A cancelled task undoes nothing by itself: its canceller decides what
follows. A DELETE starts ``stop``, which first waits for the cancelled task. A service that shuts down leaves the rest
to the one that starts next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.aio.settle import settle
from spawnpenny.domain.events import EventType, Severity
from spawnpenny.domain.spawns import USER, Desired, Phase, Reason
from spawnpenny.errors import SpawnError, SpawnpennyError
from spawnpenny.kubernetes.errors import NotFoundError, TerminatingError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.kubernetes.pods.errors import ProgramEndedError
from spawnpenny.pipeline.errors import DeadlineError
from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.spawns.deletion import purge, retire, unexpected
from spawnpenny.spawns.errors import RecordLostError
from spawnpenny.spawns.main_pod import MainPod
from spawnpenny.spawns.persistence import persist
from spawnpenny.spawns.reverting import Reverter
from spawnpenny.spawns.room import until_room
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.start_queue import Permit
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.supervision import supervise

_FINAL: Final = frozenset({Phase.RUNNING, Phase.FAILED, Phase.EXITED, Phase.SUCCEEDED})
"""The phases that end a start: their events have its duration."""


class SpawnController:
    """Brings the spawn of one context to its desired state."""

    def __init__(self, context: SpawnContext) -> None:
        self._context = context
        self._service_context = context.service_context
        self._user_state = context.user_state
        self._run = context.run
        self._record = context.run.record
        self._view = StepView(context)
        self._reporter = self._view.reporter
        self._pod = MainPod(context)
        self._reverter = Reverter(context)
        self._undoing_shown = False
        self._log = structlog.get_logger("spawnpenny.spawn").bind(**self._log_fields())

    async def carry_out(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run one of the coroutines below. If it fails by a fault in the code, still settle the spawn.

        Raises:
            ElsewhereError, RecordLostError: Another replica has the user now.

        """
        self._bind_log()
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
            work = self._work_after_failure()

    def _work_after_failure(self) -> Callable[[], Coroutine[Any, Any, None]]:
        """Return the work that follows an unexpected failure: what runs goes on running."""
        record, pod = self._record, self._pod.cached()
        if record.desired is Desired.GONE:
            return self.stop
        if record.phase.over:
            return self.clean_up
        if record.phase is not Phase.RUNNING:
            return self.resume_undo
        self._run.ending = record.pod_uid is not None and (pod is None or pod_status.is_lost(pod))
        return partial(self._end, unexpected(self._context)) if self._run.ending else self.supervise

    async def start(self, after: asyncio.Task[None] | None = None) -> None:
        """Apply the pipeline; if that fails, revert it and report why.

        ``after`` is the task of the spawn that this one replaces. It is cancelled first, as this spawn reverts both.
        """
        self._bind_log()
        try:
            async with asyncio.timeout(self._record.deadline - time.time()):
                await self._cancel(after)
                await self._apply()
        except TimeoutError:
            await self._undo(self._too_late())
        except SpawnpennyError as error:
            await self._undo(error)
        except Exception:  # noqa: BLE001 - after any fault, the objects of the spawn must be deleted
            self._log.exception("a spawn failed unexpectedly")
            await self._undo(unexpected(self._context))
        else:
            if await self._arrive():
                await self.supervise()

    async def supervise(self) -> None:
        """Supervise the running spawn, until it ends or is stopped."""
        self._bind_log()
        try:
            await supervise(self._view.supervising())
        except SpawnError as error:
            self._run.ending = True
            await self._end(error)

    async def stop(self, after: asyncio.Task[None] | None = None, *, written: bool = True) -> None:
        """Revert the spawn, and forget it.

        ``after`` is the task that worked on it until now; it is cancelled first. ``written`` says that the record is
        known to have the desired state.
        """
        self._bind_log()
        await self._cancel(after)
        if not written:
            await self._persist()
        if not self._record.reverted:
            await self._reverter.revert_all()
        if self._record.key.kind == USER and (error := await retire(self._context)) is not None:
            self._record.desired = Desired.RUNNING
            self._close(Phase.FAILED, reason_of(error, error.message))
            await self._persist()
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

    async def end_of_pod(
        self, pod: Manifest | None, after: asyncio.Task[None] | None = None, *, last: Manifest | None = None
    ) -> None:
        """Report why the pod of a running spawn has ended (None: it is gone), and revert what is left.

        ``after`` is the task that supervised the spawn, ``last`` the last known state of the pod.
        """
        self._bind_log()
        await self._cancel(after)
        if pod is None:
            pod = await self._pod.confirmed()
            if pod is not None and not pod_status.is_lost(pod):
                self._run.ending = False  # without a pause after the look at the pod: no event is missed
                self._log.warning("a pod that was reported as gone exists")
                await self.supervise()
                return
        await self._end(_error_of_end(pod, last))

    async def resume_undo(self) -> None:
        """Revert what is left of a spawn whose failure is known, and report the failure."""
        self._bind_log()
        await self._undo_for(self._record.reason or reason_of(error := unexpected(self._context), error.message))

    async def clean_up(self) -> None:
        """Revert what is left of a spawn that is over."""
        self._bind_log()
        self._record.reverted = await self._reverter.revert_all()
        await self._persist()

    def adopt_pod(self, pod: Manifest) -> None:
        """Make a Ready pod without a record the main pod of a running spawn."""
        metadata = pod["metadata"]
        self._record.uids[f"Pod/{metadata['name']}"] = self._record.pod_uid = metadata["uid"]
        self._record.url = self._pod.url(pod)
        self.set_phase(Phase.RUNNING)

    def set_phase(self, phase: Phase, reason: Reason | None = None) -> None:
        """Change the phase, and report it."""
        self._record.phase = phase
        trouble = reason is not None and phase is not Phase.SUCCEEDED
        message, code = (reason.message, reason.code if trouble else None) if reason else ("", None)
        seconds = round(time.time() - self._record.requested_at, 3) if phase in _FINAL else None
        severity = Severity.WARNING if trouble else None
        self._reporter.emit(
            EventType.PHASE, message or phase, phase=phase, code=code, seconds=seconds, severity=severity
        )
        self._log.info("phase", phase=phase, reason=message or None)

    def _bind_log(self) -> None:
        """Put the spawn's id into every line that this task and the steps' tasks log."""
        structlog.contextvars.bind_contextvars(**self._log_fields())

    def _log_fields(self) -> dict[str, str]:
        return {"spawn": self._record.id, "user": self._user_state.username, "key": str(self._record.key)}

    async def _cancel(self, task: asyncio.Task[None] | None) -> None:
        if task is not None and not task.done():
            task.cancel()
            if self._record.phase not in {Phase.RUNNING, Phase.STOPPING}:  # supervision ends at once
                self._reporter.notify("Waiting until the work before this has ended.")
            await settle({task})

    async def _apply(self) -> None:
        await self._reverter.revert_replaced()
        kinds = self._service_context.plugins.kinds
        await until_room(self._view.budget.blocking, self._reporter.notify, kinds)
        permit = Permit(self._service_context.start_queue)
        await permit.take(self._reporter.notify)
        try:
            self.set_phase(Phase.PENDING)
            started: set[str] = set()
            if self._run.started is not None:
                self._run.started = started
            await self._view.runner(permit=permit).apply(started)
        finally:
            permit.give_back()

    async def _arrive(self) -> bool:
        pod = self._pod.cached()
        if self._record.pod_uid is not None and (pod is None or pod_status.is_lost(pod)):
            # It ended after its step was done: nothing waited for it, and the pod watcher ignored it still.
            error = _error_of_end(pod)
            await (self._end(error) if self._completes_with(error) else self._undo(error))
            return False
        _ = self._pod.follow()  # the pod watcher did not, between the end of its step and now
        self._record.forget_secrets()
        self.set_phase(Phase.RUNNING)
        await self._persist()
        return True

    def _completes_with(self, error: SpawnError) -> bool:
        """Return whether the end of the main program is the purpose of the spawn."""
        kind = self._context.kind
        well = isinstance(error, ProgramEndedError) and error.facts.get("exit_code") == 0
        return well and kind is not None and kind.completes

    async def _end(self, error: SpawnError) -> None:
        if self._completes_with(error):
            self._close(Phase.SUCCEEDED, Reason("succeeded", "It ran to its end.", exit_code=0))
        else:
            self._close(Phase.EXITED, reason_of(error, self._reporter.scrub(error.message)))
        await self._persist()
        await self.clean_up()

    async def _undo(self, error: SpawnpennyError) -> None:
        reason = reason_of(error, self._reporter.scrub(error.message))
        if isinstance(error, NotFoundError | TerminatingError):
            self._user_state.record.applied.clear()  # the namespace may be gone: no shared step can be relied on
        await self._undo_for(reason)

    async def _undo_for(self, reason: Reason) -> None:
        self._record.reason = reason
        if not self._undoing_shown:
            self._undoing_shown = True
            self.set_phase(Phase.UNDOING, reason)
        self._record.reverted = await self._reverter.revert_all()
        self._close(Phase.FAILED, reason)
        await self._persist()

    def _close(self, phase: Phase, reason: Reason) -> None:
        self._record.reason = reason
        self._record.ended_at = time.time()
        self._record.url = None
        self._record.forget_secrets()
        self._record.secrets.clear()
        self._run.trouble = None  # its traceback would keep everything that was under way
        self.set_phase(phase, reason)

    def _too_late(self) -> SpawnError:
        message = f"It was not ready within its {self._record.deadline - self._record.requested_at:.0f} seconds."
        trouble = self._run.trouble or self._reverter.stuck_before()
        if trouble is not None:
            return type(trouble)(f"{message} {trouble.message}", advice=trouble.advice)
        last = f" It was waiting for this: {self._run.waiting_for}" if self._run.waiting_for else ""
        return DeadlineError(f"{message}{last}")

    async def _persist(self) -> None:
        await persist(self._service_context, self._user_state)


def reason_of(error: SpawnpennyError, message: str) -> Reason:
    """Return what a record keeps of an error."""
    return Reason(error.code, message, error.advice, error.facts.get("exit_code"))


def _error_of_end(pod: Manifest | None, last: Manifest | None = None) -> SpawnError:
    return pod_status.ending(pod, quote=None) if pod is not None else pod_status.deletion(last)

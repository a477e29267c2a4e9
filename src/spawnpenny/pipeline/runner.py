"""Run the steps of one spawn: forward side by side as their order allows, backward one by one.

Forward: a step starts when all steps before it are done. When one fails, or the runner is cancelled, no further step
starts and the running ones are cancelled, after the answer to a call that changes something
(``pipeline.step_cluster``). The runner undoes nothing by itself: its caller decides that. Backward: every ``spawn``
step that was started is reverted once, in reverse order; a failure stops no other.
"""

from __future__ import annotations

import asyncio
import math
import time
import traceback
from collections.abc import Callable
from graphlib import TopologicalSorter
from typing import Final, Protocol

import structlog

from spawnpenny.aio.settle import settle
from spawnpenny.domain.broker_errors import BrokerRefusedError, BrokerUnavailableError
from spawnpenny.domain.spawns import StepState
from spawnpenny.errors import (
    InvalidRequestError,
    NameCollisionError,
    QuotaExceededError,
    SpawnError,
    SpawnpennyError,
)
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.pipeline.errors import DeadlineError, StepFailedError
from spawnpenny.pipeline.order import Ordered
from spawnpenny.pipeline.spawn import PlannedSpawn, Spawn
from spawnpenny.pipeline.step import Step
from spawnpenny.pipeline.step_cluster import StepCluster

FOR_USERS: Final = (
    SpawnError,
    ClusterError,
    QuotaExceededError,
    InvalidRequestError,
    NameCollisionError,
    BrokerUnavailableError,
    BrokerRefusedError,
)
"""Errors whose message is meant for notebook users."""


class Shared(Protocol):
    """The results of the ``user`` steps, which the spawns of a user share."""

    def lock(self, step: Step) -> asyncio.Lock:
        """Return the lock under which this user's step is applied."""
        ...

    def desired_hash(self, step: Step, spawn: Spawn) -> str:
        """Return the hash of the result that the step would have now."""
        ...

    def current(self, step: Step, desired: str) -> bool:
        """Return whether the result with this hash exists already."""
        ...

    def begin(self, step: Step) -> None:
        """Forget the result: it is about to change."""
        ...

    def applied(self, step: Step, desired: str) -> None:
        """Remember that the result with this hash exists now."""
        ...


class Runner:
    """Runs the pipeline of one kind for one spawn."""

    def __init__(
        self,
        pipeline: Ordered,
        spawn: PlannedSpawn,
        *,
        step_cluster: Callable[[Step], StepCluster],
        shared: Shared,
        report: Callable[[str, StepState, float | None], None],
        scrub: Callable[[str], str],
        step_deadline: float,
    ) -> None:
        self._pipeline = pipeline
        self._views = {step.name: Spawn.of(spawn, step_cluster(step)) for step in pipeline.steps}
        self._steps = {step.name: step for step in pipeline.steps}
        self._id = spawn.id
        self._shared = shared
        self._report = report
        self._scrub = scrub
        self._step_deadline = step_deadline
        self._log = structlog.get_logger("spawnpenny.pipeline")

    def outdated(self) -> list[str]:
        """Return the names of the shared steps whose result would differ from the last one."""
        return [
            name
            for name, step in self._steps.items()
            if step.scope == "user"
            and not self._shared.current(step, self._shared.desired_hash(step, self._views[name]))
        ]

    async def apply(self, started: set[str]) -> None:
        """Apply all steps, and add the name of each to ``started`` when it starts.

        Raises:
            SpawnpennyError: The error of the first step that failed, or ``StepFailedError`` if it is not for users.

        """
        sorter: TopologicalSorter[str] = TopologicalSorter({n: self._pipeline.predecessors(n) for n in self._steps})
        sorter.prepare()
        tasks: dict[asyncio.Task[None], str] = {}
        try:
            while sorter.is_active():
                for name in sorted(sorter.get_ready()):
                    started.add(name)
                    tasks[asyncio.create_task(self._apply(self._steps[name]), name=name)] = name
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                failed = [task for task in done if task.cancelled() or task.exception() is not None]
                for task in sorted(failed or done, key=lambda task: tasks[task]):
                    task.result()
                    sorter.done(tasks.pop(task))
        finally:
            for task in tasks:
                task.cancel()
            await settle(tasks)

    async def revert(self, started: set[str] | None) -> dict[str, Exception]:
        """Revert the ``spawn`` steps that were started (None: all of them); return the errors of those that failed."""
        failed: dict[str, Exception] = {}
        for step in reversed(self._pipeline.steps):
            if step.scope == "spawn" and (started is None or step.name in started):
                await self._revert(step, failed)
        return failed

    async def _apply(self, step: Step) -> None:
        started = time.monotonic()
        self._report(step.name, StepState.RUNNING, None)
        try:
            state = await self._apply_in_time(step)
        except BaseException as error:
            broken_off = isinstance(error, asyncio.CancelledError) and _is_being_cancelled()
            ended = StepState.CANCELLED if broken_off else StepState.FAILED
            self._report(step.name, ended, time.monotonic() - started)
            if not broken_off:
                self._reword(step, error)
            raise
        self._report(step.name, state, time.monotonic() - started)

    async def _apply_in_time(self, step: Step) -> StepState:
        spawn = self._views[step.name]
        seconds = self._step_deadline if step.deadline is None else step.deadline
        limit = asyncio.timeout(None if seconds == math.inf else seconds)
        try:
            async with limit:
                if step.scope == "spawn":
                    await step.apply(spawn)
                    return StepState.DONE
                return await self._apply_shared(step, spawn)
        except TimeoutError:
            if limit.expired():
                raise DeadlineError(f"The step {step.name} took longer than its {seconds:g} seconds.") from None
            raise

    async def _apply_shared(self, step: Step, spawn: Spawn) -> StepState:
        async with self._shared.lock(step):
            desired = self._shared.desired_hash(step, spawn)
            if self._shared.current(step, desired):
                return StepState.SKIPPED
            self._shared.begin(step)
            await step.apply(spawn)
            self._shared.applied(step, desired)
            return StepState.DONE

    def _reword(self, step: Step, error: BaseException) -> None:
        """Log an error that the notebook user cannot fix: a mistake in a plugin, in a setting, or of ours."""
        if isinstance(error, Exception | asyncio.CancelledError) and not isinstance(error, FOR_USERS):
            self._log.error("a step failed", step=step.name, **self._logged(error))
            message = f"The step {step.name} is faulty. An administrator finds the cause in the log, under {self._id}."
            raise StepFailedError(message) from error

    def _logged(self, error: BaseException) -> dict[str, str]:
        """Return an error for the log: its message or its traceback, without the caller's secrets."""
        if isinstance(error, SpawnpennyError):
            return {"error": self._scrub(error.message)}
        return {"exception": self._scrub("".join(traceback.format_exception(error)))}

    async def _revert(self, step: Step, failed: dict[str, Exception]) -> None:
        try:
            await step.revert(self._views[step.name])
        except Exception as error:  # noqa: BLE001 - one failing revert stops no other
            self._log.warning("a revert failed", step=step.name, **self._logged(error))
            failed[step.name] = error
        else:
            self._report(step.name, StepState.REVERTED, None)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

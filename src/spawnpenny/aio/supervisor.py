"""Supervised tasks: restart those that fail, with back-off, and report those that keep failing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.aio.faults import Faults

Work = Callable[[], Coroutine[Any, Any, object]]


@dataclass(frozen=True, slots=True)
class Restarts:
    """Delays between restarts of failed tasks, in seconds.

    Pauses double from ``first`` to ``longest``. A task counts as running again once it has run for ``settled``, and
    its failures are forgotten once it has run for ``calm``. When the failures of an essential one go on for ``alarm``,
    the process should be restarted; when they go on for ``patience``, the task is given up.
    """

    first: float = 0.1
    longest: float = 15.0
    settled: float = 1.0
    calm: float = 60.0
    alarm: float = 120.0
    patience: float = 300.0


DEFAULT: Final = Restarts()


@dataclass(eq=False, slots=True)
class Supervised:
    """One supervised task. ``started`` is when its present run began; None while it waits to be restarted."""

    name: str
    work: Work
    essential: bool
    finite: bool
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    started: float | None = None
    failing_since: float | None = None
    done: bool = False
    given_up: bool = False

    async def end(self) -> None:
        """Cancel it and wait for its end. It may be supervised anew under the same name."""
        self.done = True
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task})


class TaskEndedError(Exception):
    """A task ended that has to run for ever."""


class GiveUpError(Exception):
    """No restart of the task can help: the process has to end. Its text says why."""


class Supervisor:
    """The registry of the long-lived tasks of a process, or of a part of it that ends on its own (``part``).

    ``given_up`` is set when an essential task fails for too long: the process cannot do its work any more, and should
    end. ``failures`` counts the failures of each task by its name, ``faults`` has the items that tasks skipped.
    """

    def __init__(self, restarts: Restarts = DEFAULT) -> None:
        self.given_up = asyncio.Event()
        self.failures: Counter[str] = Counter()
        self.faults = Faults()
        self.restarts = restarts
        self._tasks: dict[str, Supervised] = {}
        self._parts: list[Supervisor] = []
        self._log = structlog.get_logger("spawnpenny.tasks")

    def __iter__(self) -> Iterator[Supervised]:
        """Yield all tasks, those of its parts too."""
        yield from tuple(self._tasks.values())
        for part in tuple(self._parts):
            yield from part

    def part(self) -> Supervisor:
        """Return a registry whose tasks are among these, and which is closed on its own."""
        part = Supervisor(self.restarts)
        part.given_up, part.failures, part.faults = self.given_up, self.failures, self.faults
        self._parts.append(part)
        return part

    def supervise(self, name: str, work: Work, *, essential: bool = True, finite: bool = False) -> Supervised:
        """Run work in a task until ``close``, and restart it whenever it fails.

        Nothing happens where a task of that name is already supervised.

        Args:
            name: The name in the log, in metrics and in ``/readyz``.
            work: Makes the coroutine, anew for each run. It has to cope with half-done work of an earlier run.
            essential: Whether the process is useless without the task.
            finite: Whether the task may end by itself. For any other task its end counts as a failure.

        """
        known = self._tasks.get(name)
        if known is not None and not known.done:
            return known
        supervised = self._tasks[name] = Supervised(name, work, essential, finite)
        supervised.task = asyncio.create_task(self._run(supervised), name=f"supervised {name}")
        return supervised

    def unwell(self) -> list[str]:
        """Return the essential tasks that do not run, or have just failed."""
        return [task.name for task in self if task.essential and self._is_unwell(task)]

    def hopeless(self) -> list[str]:
        """Return the essential tasks that have been failing for so long that only a restart of the process may help."""
        latest = _now() - self.restarts.alarm
        failing = [(task.name, self._failing_since(task)) for task in self if task.essential]
        long = {name for name, since in failing if since is not None and since < latest}
        return sorted(long | {task.name for task in self if task.given_up})

    def standing(self) -> Mapping[str, bool]:
        """Return whether each task runs, by its name."""
        return {task.name: not self._is_unwell(task) for task in self if not task.done}

    async def close(self) -> None:
        """Cancel all tasks and wait for their end."""
        supervised = list(self)
        running = {task.task for task in supervised if task.task is not None and not task.task.done()}
        for task in supervised:
            task.done = True
        for inner in running:
            inner.cancel()
        if running:
            await asyncio.wait(running)

    def _is_unwell(self, task: Supervised) -> bool:
        if task.done or task.failing_since is None:
            return False
        return task.started is None or _now() - task.started < self.restarts.settled

    def _failing_since(self, task: Supervised) -> float | None:
        calm = task.started is not None and _now() - task.started >= self.restarts.calm
        return None if calm or task.done else task.failing_since

    async def _run(self, task: Supervised) -> None:
        waits = self._pauses()
        while (error := await self._failure(task)) is not None:
            if task.done or _is_cancelled():  # what was cancelled may answer with an error of its own
                return
            now = _now()
            if self._failing_since(task) is None:
                task.failing_since, waits = now, self._pauses()
            task.started = None
            self.failures[task.name] += 1
            long = task.failing_since is not None and now - task.failing_since > self.restarts.patience
            if isinstance(error, GiveUpError) or (task.essential and long):
                self._give_up(task, error)
                return
            pause = next(waits)
            self._log.error("task_failed", task=task.name, restart_in=round(pause, 3), exc_info=error)
            await asyncio.sleep(pause)
        task.done = True

    @staticmethod
    async def _failure(task: Supervised) -> Exception | None:
        """Run a task once; return why it ended, or None where it may end."""
        task.started = _now()
        try:
            await task.work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the task is restarted
            return error
        except asyncio.CancelledError:
            if task.done or _is_cancelled():
                raise
            return TaskEndedError("something that it waited for was cancelled")
        return None if task.finite else TaskEndedError("it ended by itself")

    def _give_up(self, task: Supervised, error: Exception) -> None:
        self._log.critical("task_given_up", task=task.name, exc_info=error)
        task.given_up = True
        self.given_up.set()

    def _pauses(self) -> Iterator[float]:
        return pauses(self.restarts.first, self.restarts.longest)


def _is_cancelled() -> bool:
    """Return whether the current task was asked to end."""
    current = asyncio.current_task()
    return current is None or current.cancelling() > 0


def _now() -> float:
    return asyncio.get_running_loop().time()

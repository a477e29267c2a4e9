"""Notices to the user of a running cluster: those about its workers, and those about its scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from spawnpenny.api import CONTROL_TOKEN, Spawn, WorkerNotices
from spawnpenny_dask.scheduler_client import ProcessEnd

_SILENCE: Final = 30.0
"""Seconds for which a scheduler may be too busy to answer."""


class Notices(WorkerNotices):
    """The notices of one cluster."""

    def __init__(self, spawn: Spawn, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(spawn, clock, may_quote=CONTROL_TOKEN in spawn.secrets)
        self._silent_since: float | None = None

    def silent(self, why: str) -> None:
        """Note that the scheduler does not answer; report it after a while."""
        now = self._clock()
        self._silent_since = now if self._silent_since is None else self._silent_since
        if now - self._silent_since >= _SILENCE:
            self.notify(
                f"The scheduler does not answer ({why}). Until it does, no worker is removed that may have work.",
                code="scheduler_silent",
            )

    def silence(self) -> float:
        """Return the seconds since the scheduler last answered."""
        return 0.0 if self._silent_since is None else self._clock() - self._silent_since

    def answered(self) -> None:
        self._silent_since = None

    def process_ended(self, end: ProcessEnd) -> None:
        """Report that the process of a worker has ended, and that its nanny restarts it."""
        if end.memory:
            why, code = "It used more of its memory than it may (95 % by default).", "out_of_memory"
        elif end.code < 0:
            why, code = f"Signal {-end.code} ended it, as the kernel does if memory runs out.", "pod_crashed"
        else:
            why, code = f"It ended by itself with exit code {end.code}.", "pod_crashed"
        self.notify(f"The process of a worker has ended. {why} Its nanny restarts it.", code=code)

    def kept(self, count: int) -> None:
        """Report that workers stay although they were to retire."""
        who = "One worker stays" if count == 1 else f"{count} workers stay"
        self.notify(
            f"{who} for now: a task of theirs cannot be moved, or no other worker has room for their data.",
            code="worker_kept",
        )

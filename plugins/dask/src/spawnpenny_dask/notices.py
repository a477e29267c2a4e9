"""Notices to the user of a running cluster: each trouble is reported once, not at every look."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from spawnpenny.api import (
    CONTROL_TOKEN,
    Manifest,
    Severity,
    Spawn,
    SpawnError,
    SpawnpennyError,
    pod_ending,
    pod_side_troubles,
    pod_trouble,
)
from spawnpenny_dask.plan import age_of, is_leaving, is_over
from spawnpenny_dask.scheduler_client import ProcessEnd

_SILENCE: Final = 30.0
"""Seconds for which a scheduler may be busy with other things."""
_PLACING: Final = 30.0
"""Seconds that it may take to find a machine for a worker."""
_SIGNALS: Final = 128
"""Exit codes from here on say by which signal a program was ended."""
_FRESH: Final = 600.0
"""Seconds after which the same trouble is reported again."""


class Reports:
    """Reports to the user."""

    def __init__(self, spawn: Spawn, clock: Callable[[], float] = time.monotonic) -> None:
        self._spawn = spawn
        self._clock = clock
        self._told: dict[str, float] = {}
        self._silent_since: float | None = None

    def silent(self, why: str) -> None:
        """Report that the scheduler has not answered for long."""
        now = self._clock()
        self._silent_since = now if self._silent_since is None else self._silent_since
        if now - self._silent_since >= _SILENCE:
            self._notify(
                "The scheduler does not say how it is "
                f"({why}): no worker that may be at work is taken away until it does.",
                code="scheduler_silent",
            )

    def silence(self) -> float:
        """Return for how many seconds the scheduler has not answered."""
        return 0.0 if self._silent_since is None else self._clock() - self._silent_since

    def answered(self) -> None:
        self._silent_since = None

    def ended(self, pod: Manifest, count: int) -> None:
        """Report that workers have ended which were not asked to; another may take the place of each."""
        who = "A worker has" if count == 1 else f"{count} workers have"
        error = self.ending(pod)
        about = f"{who} ended. {pod_ending(pod, quote=None).message}"  # a log has the time in each line
        self._notify(f"{who} ended. {error.message}", about=about, severity=_severity(error), code=error.code)

    def ending(self, pod: Manifest) -> SpawnError:
        """Return why a pod has ended, with what its program wrote last.

        Not where that is no cause, as a signal ended it, nor where it is not known what must not be quoted.
        """
        error = pod_ending(pod, quote=None)
        by_itself = 0 < (error.facts.get("exit_code") or 0) < _SIGNALS
        return pod_ending(pod, quote=self._spawn.scrub) if by_itself and CONTROL_TOKEN in self._spawn.secrets else error

    def churning(self, why: SpawnpennyError) -> None:
        """Report that others are started after a pause only."""
        self._notify(f"{why.message} Others are started after a pause.", code="worker_lost")

    def process_ended(self, end: ProcessEnd) -> None:
        """Report that the process of a worker has ended, which its nanny starts again."""
        if end.memory:
            why, code = "It used more of its memory than it may (95 % by default).", "out_of_memory"
        elif end.code < 0:
            why, code = f"It was ended by signal {-end.code}, as by the kernel if memory runs out.", "pod_crashed"
        else:
            why, code = f"It ended by itself with exit code {end.code}.", "pod_crashed"
        self._notify(f"The process of a worker has ended. {why} Its nanny starts it again.", code=code)

    def leaving(self, pod: Manifest) -> None:
        """Report that another party ordered a worker away."""
        error = pod_ending(pod, quote=None)
        self._notify(
            f"A worker has to go, and hands over what only it holds. {error.message}",
            about=f"leaving: {pod['metadata']['name']}",
            code=error.code,
        )

    def lost(self, why: SpawnpennyError, count: int) -> None:
        """Report that workers are replaced whose pods have not ended."""
        who = "A worker is" if count == 1 else f"{count} workers are"
        self._notify(f"{who} replaced. {why.message}", code="worker_lost")

    def look(self, pods: Sequence[Manifest]) -> None:
        """Report why workers do not start, and which containers beside them are in trouble."""
        staying = [pod for pod in pods if not is_leaving(pod) and not is_over(pod)]
        for container, error in (found for pod in staying for found in pod_side_troubles(pod)):
            self._notify(
                f"{error.message} It only runs beside a worker.", about=f"{container}: {error.code}", code=error.code
            )
        for pod in staying:
            found = pod_trouble(pod, quote=None)
            if found is not None and (found.code != "unschedulable" or age_of(pod) >= _PLACING):
                self._notify(f"A worker does not start. {found.error.message}", about=found.code, code=found.code)
                return

    def refused(self, error: SpawnpennyError) -> None:
        """Report that a worker cannot be made; a cluster that does not answer is none of the user's concern."""
        if error.status != 503:  # noqa: PLR2004 - Service Unavailable
            name = str(error.facts.get("name") or "")  # each worker has another one
            about = error.message.replace(name, "") if name else error.message
            message = f"A worker cannot be made; it is tried again. {error.message}"
            self._notify(message, about=f"refused: {about}", code=error.code)

    def kept(self, count: int) -> None:
        """Report that workers stay which were to go."""
        who = "One worker stays" if count == 1 else f"{count} workers stay"
        self._notify(
            f"{who} for now: a task of theirs cannot be moved, or no other worker has room for their data.",
            code="worker_kept",
        )

    def _notify(
        self, message: str, *, code: str, about: str | None = None, severity: Severity = Severity.WARNING
    ) -> None:
        """Report it, unless the same was reported lately; ``about`` names what is the same in other words, too."""
        now, trouble = self._clock(), about or message
        if now - self._told.get(trouble, -_FRESH) >= _FRESH:
            self._told = {each: at for each, at in self._told.items() if now - at < _FRESH} | {trouble: now}
            self._spawn.notify(message, severity, code=code)


def _severity(error: SpawnpennyError) -> Severity:
    return Severity.NORMAL if error.code == "program_ended" else Severity.WARNING

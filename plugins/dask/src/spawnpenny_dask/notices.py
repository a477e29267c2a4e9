"""Notices to the user of a running cluster: one for a trouble, however often it is seen."""

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
from spawnpenny_dask.scheduler_client import ProcessEnd
from spawnpenny_dask.workers import age_of, is_leaving, is_over

_SILENCE: Final = 30.0
"""Seconds for which a scheduler may be too busy to answer."""
_PLACING: Final = 30.0
"""Seconds that Kubernetes may take to find a machine for a worker."""
_SIGNALS: Final = 128
"""The first exit code of programs that a signal ended."""
_FRESH: Final = 600.0
"""Seconds after which the same trouble is reported again."""


class Notices:
    """The notices of one cluster."""

    def __init__(self, spawn: Spawn, clock: Callable[[], float] = time.monotonic) -> None:
        self._spawn = spawn
        self._clock = clock
        self._sent: dict[str, float] = {}
        self._silent_since: float | None = None

    def silent(self, why: str) -> None:
        """Note that the scheduler does not answer; report it after a while."""
        now = self._clock()
        self._silent_since = now if self._silent_since is None else self._silent_since
        if now - self._silent_since >= _SILENCE:
            self._notify(
                f"The scheduler does not answer ({why}). Until it does, no worker is removed that may have work.",
                code="scheduler_silent",
            )

    def silence(self) -> float:
        """Return the seconds since the scheduler last answered."""
        return 0.0 if self._silent_since is None else self._clock() - self._silent_since

    def answered(self) -> None:
        self._silent_since = None

    def ended(self, pod: Manifest, count: int) -> None:
        """Report that workers have ended without an order; others may replace them."""
        who = "A worker has" if count == 1 else f"{count} workers have"
        error = self.ending(pod)
        about = f"{who} ended. {pod_ending(pod, quote=None).message}"  # the quoted log has changing times
        self._notify(f"{who} ended. {error.message}", about=about, severity=_severity(error), code=error.code)

    def ending(self, pod: Manifest) -> SpawnError:
        """Return why a pod has ended, with the last lines of its program's log.

        The lines are left out if a signal ended it, as they are no cause then, or if the cluster's secrets are unknown,
        as they could not be removed.
        """
        error = pod_ending(pod, quote=None)
        by_itself = 0 < (error.facts.get("exit_code") or 0) < _SIGNALS
        return pod_ending(pod, quote=self._spawn.scrub) if by_itself and CONTROL_TOKEN in self._spawn.secrets else error

    def churning(self, why: SpawnpennyError) -> None:
        """Report that new workers start only after a pause."""
        self._notify(f"{why.message} New ones start after a pause.", code="worker_lost")

    def process_ended(self, end: ProcessEnd) -> None:
        """Report that the process of a worker has ended, and that its nanny restarts it."""
        if end.memory:
            why, code = "It used more of its memory than it may (95 % by default).", "out_of_memory"
        elif end.code < 0:
            why, code = f"Signal {-end.code} ended it, as the kernel does if memory runs out.", "pod_crashed"
        else:
            why, code = f"It ended by itself with exit code {end.code}.", "pod_crashed"
        self._notify(f"The process of a worker has ended. {why} Its nanny restarts it.", code=code)

    def leaving(self, pod: Manifest) -> None:
        """Report that Kubernetes, or an administrator, deletes a worker."""
        error = pod_ending(pod, quote=None)
        self._notify(
            f"A worker has to go, and hands over its data. {error.message}",
            about=f"leaving: {pod['metadata']['name']}",
            code=error.code,
        )

    def lost(self, why: SpawnpennyError, count: int) -> None:
        """Report that workers are replaced although their pods have not ended."""
        who = "A worker is" if count == 1 else f"{count} workers are"
        self._notify(f"{who} replaced. {why.message}", code="worker_lost")

    def check(self, pods: Sequence[Manifest]) -> None:
        """Report why workers do not start, and troubles of other containers in their pods."""
        staying = [pod for pod in pods if not is_leaving(pod) and not is_over(pod)]
        for container, error in (found for pod in staying for found in pod_side_troubles(pod)):
            self._notify(
                f"{error.message} It runs beside a worker.", about=f"{container}: {error.code}", code=error.code
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
        """Report that workers stay although they were to retire."""
        who = "One worker stays" if count == 1 else f"{count} workers stay"
        self._notify(
            f"{who} for now: a task of theirs cannot be moved, or no other worker has room for their data.",
            code="worker_kept",
        )

    def _notify(
        self, message: str, *, code: str, about: str | None = None, severity: Severity = Severity.WARNING
    ) -> None:
        """Send a notice, unless the same was sent lately. ``about`` identifies a trouble whose message varies."""
        now, trouble = self._clock(), about or message
        if now - self._sent.get(trouble, -_FRESH) >= _FRESH:
            self._sent = {earlier: at for earlier, at in self._sent.items() if now - at < _FRESH} | {trouble: now}
            self._spawn.notify(message, severity, code=code)


def _severity(error: SpawnpennyError) -> Severity:
    return Severity.NORMAL if error.code == "program_ended" else Severity.WARNING

"""Notices to the user about the workers of a running spawn: one for a trouble, however often it is seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from spawnpenny.domain.events import Severity
from spawnpenny.errors import SpawnError, SpawnpennyError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods.status import ending as pod_ending
from spawnpenny.kubernetes.pods.status import is_lost, side_troubles, trouble
from spawnpenny.pipeline.spawn import Spawn
from spawnpenny.pipeline.worker_pods import pod_age, pod_is_leaving

_PLACING: Final = 30.0
"""Seconds that Kubernetes may take to find a machine for a worker."""
_SIGNALS: Final = 128
"""The first exit code of programs that a signal ended."""
_FRESH: Final = 600.0
"""Seconds after which the same trouble is reported again."""


class WorkerNotices:
    """The notices of one spawn. ``may_quote`` is false if its secrets are unknown, so that no log can be quoted."""

    def __init__(self, spawn: Spawn, clock: Callable[[], float] = time.monotonic, *, may_quote: bool = True) -> None:
        self._spawn = spawn
        self._clock = clock
        self._may_quote = may_quote
        self._sent: dict[str, float] = {}

    def ended(self, pod: Manifest, count: int) -> None:
        """Report that workers have ended without an order; others may replace them."""
        who = "A worker has" if count == 1 else f"{count} workers have"
        error = self.ending(pod)
        about = f"{who} ended. {pod_ending(pod, quote=None).message}"  # the quoted log has changing times
        self.notify(f"{who} ended. {error.message}", about=about, severity=_severity(error), code=error.code)

    def ending(self, pod: Manifest) -> SpawnError:
        """Return why a pod has ended, with the last lines of its program's log.

        The lines are left out if a signal ended it, as they are no cause then, or if the spawn's secrets are unknown,
        as they could not be removed.
        """
        error = pod_ending(pod, quote=None)
        by_itself = 0 < (error.facts.get("exit_code") or 0) < _SIGNALS
        return pod_ending(pod, quote=self._spawn.scrub) if by_itself and self._may_quote else error

    def churning(self, why: SpawnpennyError) -> None:
        """Report that new workers start only after a pause."""
        self.notify(f"{why.message} New ones start after a pause.", code="worker_lost")

    def leaving(self, pod: Manifest) -> None:
        """Report that Kubernetes, or an administrator, deletes a worker."""
        error = pod_ending(pod, quote=None)
        self.notify(
            f"A worker has to go, and hands over its data. {error.message}",
            about=f"leaving: {pod['metadata']['name']}",
            code=error.code,
        )

    def lost(self, why: SpawnpennyError, count: int) -> None:
        """Report that workers are replaced although their pods have not ended."""
        who = "A worker is" if count == 1 else f"{count} workers are"
        self.notify(f"{who} replaced. {why.message}", code="worker_lost")

    def check(self, pods: Sequence[Manifest]) -> None:
        """Report why workers do not start, and troubles of other containers in their pods."""
        staying = [pod for pod in pods if not pod_is_leaving(pod) and not is_lost(pod)]
        for container, error in (found for pod in staying for found in side_troubles(pod)):
            self.notify(
                f"{error.message} It runs beside a worker.", about=f"{container}: {error.code}", code=error.code
            )
        for pod in staying:
            found = trouble(pod, quote=None)
            if found is not None and (found.code != "unschedulable" or pod_age(pod) >= _PLACING):
                self.notify(f"A worker does not start. {found.error.message}", about=found.code, code=found.code)
                return

    def refused(self, error: SpawnpennyError) -> None:
        """Report that a worker cannot be made; a cluster that does not answer is none of the user's concern."""
        if error.status != 503:  # noqa: PLR2004 - Service Unavailable
            name = str(error.facts.get("name") or "")  # each worker has another one
            about = error.message.replace(name, "") if name else error.message
            message = f"A worker cannot be made; it is tried again. {error.message}"
            self.notify(message, about=f"refused: {about}", code=error.code)

    def notify(
        self, message: str, *, code: str, about: str | None = None, severity: Severity = Severity.WARNING
    ) -> None:
        """Send a notice, unless the same was sent lately. ``about`` identifies a trouble whose message varies."""
        now, trouble = self._clock(), about or message
        if now - self._sent.get(trouble, -_FRESH) >= _FRESH:
            self._sent = {earlier: at for earlier, at in self._sent.items() if now - at < _FRESH} | {trouble: now}
            self._spawn.notify(message, severity, code=code)


def _severity(error: SpawnpennyError) -> Severity:
    return Severity.NORMAL if error.code == "program_ended" else Severity.WARNING

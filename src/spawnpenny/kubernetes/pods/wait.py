"""Wait for one pod in the cache of the service.

It makes no call to the cluster as long as the cache knows the pod, and stops when the pod cannot become ready.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spawnpenny.aio.race import after_a_while
from spawnpenny.domain.events import Notify, Severity
from spawnpenny.errors import SpawnError
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.kubernetes.pods.containers import own_container, own_spec
from spawnpenny.kubernetes.pods.errors import CrashError, HookFailedError, ImageError, OutOfMemoryError
from spawnpenny.kubernetes.pods.events import failed_hook, report_events
from spawnpenny.kubernetes.pods.troubles import Quote, Trouble, hook_failure

if TYPE_CHECKING:
    from spawnpenny.kubernetes.object_cache import Watched

PULLS: Final = 3
"""Failed pulls of the image after which the spawn fails."""
STARTS: Final = 2
"""Ends of the awaited container after which the spawn fails."""
UNSCHEDULABLE_REPORTED_AFTER: Final = 30.0
"""Seconds after which the user reads that a pod has no machine: often it gets one a moment later."""

_LAG: Final = 1.0
"""Seconds that the informer may take to see a pod before the cluster is called."""
_EVENT_LAG: Final = 1.0
"""Seconds that an Event may come after the status that it explains."""


def _ignore(*_: object) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Callbacks for the progress of a pod.

    ``notify`` is called with a sentence for each new trouble, ``suspect`` with the present trouble or None, ``notice``
    with each state of the pod before the awaited one. ``quote`` removes secrets from quotes. After ``slow`` seconds the
    Kubernetes Events of the pod are reported as well, while ``events_gate`` is held: that costs a list and a watch.
    """

    notify: Notify = _ignore
    suspect: Callable[[SpawnError | None], None] = _ignore
    notice: Callable[[Manifest], None] = _ignore
    quote: Quote = str
    slow: float = math.inf
    events_gate: AbstractAsyncContextManager[None] = field(default_factory=nullcontext)


class PodWatch:
    """Waits for a pod of a known uid."""

    def __init__(self, cluster: Cluster, pods: Watched, ref: Ref, uid: str, listener: Listener | None = None) -> None:
        self._cluster = cluster
        self._pods = pods
        self._ref = ref
        self._uid = uid
        self._listener = listener or Listener()
        self._reported = ""
        self._state = ""
        self._pulls = 0
        self._last: Manifest | None = None
        self._heard: SpawnError | None = None
        self._hook: HookFailedError | None = None
        self._found: Trouble | None = None
        self._patience = asyncio.timeout(None)
        self._later: asyncio.TimerHandle | None = None

    async def ready(self) -> Manifest:
        """Return the pod once its own container is ready.

        Raises:
            SpawnError: It ended, was deleted, or is in trouble that does not pass.

        """
        return await self._until(self._is_ready)

    async def started(self) -> Manifest:
        """Return the pod once its own container is ready, or has ended with exit code 0, as a short one may at once.

        Raises:
            SpawnError: It ended otherwise, was deleted, or is in trouble that does not pass.

        """
        return await self._until(lambda pod: pod_status.has_succeeded(pod) or self._is_ready(pod))

    async def succeeded(self) -> Manifest:
        """Return the pod once its own container has ended with exit code 0.

        Raises:
            SpawnError: It ended otherwise, the pod was deleted, or is in trouble that does not pass.

        """
        return await self._until(self._has_succeeded)

    async def _until(self, reached: Callable[[Manifest], bool]) -> Manifest:
        def look(pod: Manifest | None) -> bool:
            if pod is None or not self._is_it(pod):
                raise pod_status.deletion(self._last)
            self._last = pod
            return reached(pod)

        await self._appears()
        try:
            async with after_a_while(self._listener.slow, self._report_events):
                pod = await self._within_patience(look)
        except CrashError as error:
            raise await self._cause_of(error) from None
        finally:
            self._hold_back()
        if pod is None:  # `look` accepts no absent pod
            raise pod_status.deletion(self._last)
        return pod

    async def _within_patience(self, look: Callable[[Manifest | None], bool]) -> Manifest | None:
        self._patience = asyncio.timeout(None)
        try:
            async with self._patience:
                return await self._pods.wait_for(self._namespace, self._ref.name, look)
        except TimeoutError:
            if self._patience.expired() and self._found is not None:
                raise self._found.error from None
            raise

    async def _cause_of(self, error: CrashError) -> SpawnError:
        """Return why a program ended: only an Event says that its ``postStart`` hook failed."""
        pod = self._last
        known = isinstance(error, HookFailedError | OutOfMemoryError)
        if known or pod is None or "postStart" not in (own_spec(pod).get("lifecycle") or {}):
            return error
        for pause in (_EVENT_LAG, 0.0):
            try:
                message = await failed_hook(self._cluster, self._ref, self._uid)
            except ClusterError:
                return error
            if message is not None:
                return hook_failure(own_container(pod), self._listener.quote(message))
            await asyncio.sleep(pause)
        return error

    async def _report_events(self) -> None:
        listener = self._listener
        async with listener.events_gate:
            work = report_events(
                self._cluster, self._ref, self._uid, notify=listener.notify, suspect=self._hear, quote=listener.quote
            )
            await work

    def _hear(self, error: SpawnError) -> None:
        """Take the error of an Event as the reason, as long as the status of the pod has none."""
        self._heard = error
        if self._found is None:
            self._listener.suspect(error)

    async def _appears(self) -> None:
        """Return once the pod is in the cache; it may have been deleted before that."""
        while True:
            try:
                async with asyncio.timeout(_LAG):
                    await self._pods.wait_for(self._namespace, self._ref.name, self._is_it)
            except TimeoutError:
                if not self._is_it(await self._cluster.read(self._ref)):
                    raise pod_status.deletion(self._last) from None
                self._pods.doubt(self._ref.namespace)
            else:
                return

    def _is_it(self, pod: Manifest | None) -> bool:
        return pod is not None and pod["metadata"]["uid"] == self._uid

    def _is_ready(self, pod: Manifest) -> bool:
        if pod_status.is_ready(pod):
            return True
        if pod_status.is_over(pod) or pod_status.is_deleted(pod):
            raise pod_status.ending(pod, quote=self._listener.quote)
        self._weigh(pod)
        return False

    def _has_succeeded(self, pod: Manifest) -> bool:
        if pod_status.has_succeeded(pod):
            return True
        if pod_status.is_over(pod):
            raise pod_status.ending(pod, quote=self._listener.quote)
        self._weigh(pod)
        return False

    def _weigh(self, pod: Manifest) -> None:
        self._listener.notice(pod)
        found = self._with_memory(pod_status.trouble(pod, quote=self._listener.quote))
        state = f"{found.code}: {found.error.message}" if found else ""
        if found is not None and isinstance(found.error, ImageError) and state != self._state and not found.pausing:
            self._pulls += 1
        self._limit_trouble(found)
        self._state, self._found = state, found
        if pod_status.has_started(pod):
            self._heard = None
        self._listener.suspect(found.error if found else self._heard)
        if found is None:
            self._hold_back()
        else:
            self._judge(found, pod)
            self._say(found)

    def _with_memory(self, found: Trouble | None) -> Trouble | None:
        """Return the trouble, or the hook's failure that it follows from: the end of the program is then a kill."""
        if found is None:
            return None
        if isinstance(found.error, HookFailedError):
            self._hook = found.error
        elif self._hook is not None and isinstance(found.error, CrashError):
            return Trouble(self._hook) if not isinstance(found.error, OutOfMemoryError) else found
        return found

    def _limit_trouble(self, found: Trouble | None) -> None:
        """Stop waiting if a trouble lasts too long, counted from its beginning."""
        grace = found.grace if found else None
        if grace is None:
            self._patience.reschedule(None)
        elif self._patience.when() is None:
            self._patience.reschedule(asyncio.get_running_loop().time() + grace)

    def _judge(self, found: Trouble, pod: Manifest) -> None:
        again = not found.placing and pod_status.failed_starts(pod) >= STARTS
        if found.hopeless or again or self._pulls >= PULLS:
            raise found.error

    def _say(self, found: Trouble) -> None:
        error = found.error
        if error.message == self._reported:
            return
        self._reported = error.message
        self._hold_back()
        if found.placing:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(
                UNSCHEDULABLE_REPORTED_AFTER, self._listener.notify, error.message, Severity.WARNING
            )
        else:
            self._listener.notify(error.message, Severity.WARNING)

    def _hold_back(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    @property
    def _namespace(self) -> str:
        return self._ref.namespace or ""

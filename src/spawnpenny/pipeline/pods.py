"""Waiting for one pod, out of what the service watches anyway.

It makes no call to the cluster, and waits no longer than there is hope.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spawnpenny.cluster.port import Cluster, Manifest, Ref
from spawnpenny.domain.events import Severity
from spawnpenny.errors import (
    CrashError,
    ImageError,
    PodConfigError,
    PodGoneError,
    SpawnError,
    UnschedulableError,
)
from spawnpenny.pipeline import podstate
from spawnpenny.pipeline.podevents import after_a_while, tell_events
from spawnpenny.pipeline.spawn import Tell

if TYPE_CHECKING:
    from spawnpenny.cluster.watched import Watched

PATIENCE: Final = {ImageError.code: 3, CrashError.code: 2, PodConfigError.code: 3}
"""How many times a trouble may come before it fails the spawn. Unschedulable has none: an autoscaler takes minutes."""


UNSCHEDULABLE_TOLD_AFTER: Final = 30.0
"""Seconds: placing a pod is often refused for a moment and then goes through."""

_LAG: Final = 1.0
"""Seconds that the informer may take to hear of a pod before the cluster is asked itself."""
_DELETED: Final = "The pod was deleted from outside while it was starting."


def _ignore(*_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of a pod.

    ``tell`` is called with a sentence when what is waited for changes, ``suspect`` with the trouble that the pod is
    in, or None, ``notice`` with each state of the pod that is not yet what is waited for; ``quote`` takes secrets out
    of what is quoted. Once the pod has taken ``slow`` seconds, what the cluster says of it is told as well, while
    ``told`` is held: that costs a list and a watch.
    """

    tell: Tell = _ignore
    suspect: Callable[[SpawnError | None], None] = _ignore
    notice: Callable[[Manifest], None] = _ignore
    quote: podstate.Quote = str
    slow: float = math.inf
    told: AbstractAsyncContextManager[None] = field(default_factory=nullcontext)


class PodWatch:
    """Waits for a pod of a known uid."""

    def __init__(self, cluster: Cluster, pods: Watched, ref: Ref, uid: str, listener: Listener | None = None) -> None:
        self._cluster = cluster
        self._pods = pods
        self._ref = ref
        self._uid = uid
        self._listener = listener or Listener()
        self._told = ""
        self._state = ""
        self._times: dict[str, int] = {}
        self._later: asyncio.TimerHandle | None = None

    async def ready(self) -> Manifest:
        """Return the pod once its own container is ready.

        Raises:
            SpawnError: It ended, was deleted, or is in trouble that does not pass.

        """
        return await self._until(self._is_ready)

    async def succeeded(self) -> Manifest:
        """Return the pod once its own container has ended with exit code 0.

        Raises:
            SpawnError: It ended otherwise, the pod was deleted, or is in trouble that does not pass.

        """
        return await self._until(self._has_succeeded)

    async def _until(self, reached: Callable[[Manifest], bool]) -> Manifest:
        def look(pod: Manifest | None) -> bool:
            if pod is None or not self._is_it(pod):
                raise PodGoneError(_DELETED)
            return reached(pod)

        await self._appears()
        try:
            async with after_a_while(self._listener.slow, self._tell_events):
                pod = await self._pods.wait_for(self._namespace, self._ref.name, look)
        finally:
            self._hold_back()
        if pod is None:  # `look` is never content with an absent pod
            raise PodGoneError(_DELETED)
        return pod

    async def _tell_events(self) -> None:
        listener = self._listener
        async with listener.told:
            await tell_events(self._cluster, self._ref, self._uid, tell=listener.tell, quote=listener.quote)

    async def _appears(self) -> None:
        """Return once the pod was heard of; what was just created may have been deleted before that."""
        while True:
            try:
                async with asyncio.timeout(_LAG):
                    await self._pods.wait_for(self._namespace, self._ref.name, self._is_it)
            except TimeoutError:
                if not self._is_it(await self._cluster.read(self._ref)):
                    raise PodGoneError(_DELETED) from None
                self._pods.doubt(self._ref.namespace)
            else:
                return

    def _is_it(self, pod: Manifest | None) -> bool:
        return pod is not None and pod["metadata"]["uid"] == self._uid

    def _is_ready(self, pod: Manifest) -> bool:
        if podstate.is_ready(pod):
            return True
        if podstate.is_over(pod):
            raise podstate.ending(pod, quote=self._listener.quote)
        self._weigh(pod)
        return False

    def _has_succeeded(self, pod: Manifest) -> bool:
        if podstate.has_succeeded(pod):
            return True
        if podstate.is_over(pod):
            raise podstate.ending(pod, quote=self._listener.quote)
        self._weigh(pod)
        return False

    def _weigh(self, pod: Manifest) -> None:
        self._listener.notice(pod)
        found = podstate.trouble(pod, quote=self._listener.quote)
        state = f"{found.code}: {found.error.message}" if found else ""
        if found is not None and state != self._state and not found.pausing:
            self._times[found.code] = self._times.get(found.code, 0) + 1
        self._state = state
        self._listener.suspect(found.error if found else None)
        if found is None:
            self._hold_back()
        else:
            self._judge(found, pod)
            self._say(found.error)

    def _judge(self, found: podstate.Trouble, pod: Manifest) -> None:
        times = podstate.failed_starts(pod) if found.code == CrashError.code else self._times.get(found.code, 0)
        if found.hopeless or times >= PATIENCE.get(found.code, times + 1):
            raise found.error

    def _say(self, error: SpawnError) -> None:
        if error.message == self._told:
            return
        self._told = error.message
        self._hold_back()
        if isinstance(error, UnschedulableError):
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(
                UNSCHEDULABLE_TOLD_AFTER, self._listener.tell, error.message, Severity.WARNING
            )
        else:
            self._listener.tell(error.message, Severity.WARNING)

    def _hold_back(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    @property
    def _namespace(self) -> str:
        return self._ref.namespace or ""

"""One list and one watch of a resource, made again whenever they are interrupted."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.aio.pacing import Pace
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import ClusterForbiddenError, ExpiredError, SilentStreamError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from spawnpenny.kubernetes.interface import Cluster
    from spawnpenny.kubernetes.kinds import Resource
    from spawnpenny.kubernetes.object_cache import Watched

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0
_DOUBTFUL: Final = 10.0


@dataclass(frozen=True, slots=True)
class Followed:
    """The objects to follow: a resource, in one namespace or in all, with all of the labels."""

    cluster: Cluster
    resource: Resource
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str | None = None


class Follower:
    """Feeds the lists and watches of a resource into a ``Watched``.

    ``answered`` is set once the cluster has sent a list, or has refused it.

    Args:
        followed: What to follow.
        into: The cache that takes it in.
        gate: Held during each list, so that many followers do not list all at once.
        doubtful: Seconds of silence after which a doubt is a reason to list again.

    """

    def __init__(
        self,
        followed: Followed,
        into: Watched,
        *,
        gate: AbstractAsyncContextManager[Any] | None = None,
        doubtful: float = _DOUBTFUL,
    ) -> None:
        self.answered = asyncio.Event()
        self._followed = followed
        self._into = into
        self._gate = gate or nullcontext()
        self._doubtful = doubtful
        self._version: str | None = None  # None: list first
        self._heard_at = -math.inf
        self._waiting: asyncio.Timeout | None = None
        log = structlog.stdlib.get_logger("spawnpenny.kubernetes.informer").bind(resource=followed.resource.plural)
        self._log = log.bind(namespace=followed.namespace) if followed.namespace else log

    async def run(self) -> None:
        """Follow until cancelled; no failure ends it."""
        pause = self._pauses()
        while True:
            began, heard_at = time.monotonic(), self._heard_at
            try:
                heard_at = await self._once(heard_at)
            except Exception:  # noqa: BLE001 - an informer that ended would leave the service blind
                self._log.exception("informer_failed")
                self._version, heard_at = None, math.inf
            if self._heard_at > heard_at:
                pause = self._pauses()
                continue
            if time.monotonic() - began > _LONGEST_PAUSE:
                pause = self._pauses()  # a stream that was silent for long is no reason to wait for long as well
            await self._rest(next(pause))

    def staleness(self) -> float:
        return time.monotonic() - self._heard_at

    def doubt(self) -> None:
        """List again at once, if nothing was heard for a while."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if self.staleness() < self._doubtful:
            self._waiting = waiting
            return
        self._log.warning("informer_doubted", silent=round(self.staleness(), 1))
        waiting.reschedule(asyncio.get_running_loop().time())

    async def _once(self, heard_at: float) -> float:
        """List if need be, and take in one stream; return the time of the last word before that stream."""
        try:
            if self._version is None:
                self._version = await self._relist()
                heard_at = self._heard_at  # a list alone is no reason to come back at once
            if not await self._follow(self._version):
                self._version = None  # a stream that ends without a word may have missed something
        except ExpiredError:
            self._log.info("informer_version_expired")
            self._version = None
        except SilentStreamError:
            # Where nothing changes, an old API server is silent all day. But so is one whose store was restored from
            # before the version that is watched from, and there only a list shows the objects. It counts as a word
            # from the cluster; that the stream could be opened does not.
            self._log.debug("informer_silent")
            self._version = None
        except SpawnpennyError as error:
            self._log.warning("informer_interrupted", reason=error.code, error=error.message)
            if isinstance(error, ClusterForbiddenError):
                self.answered.set()
        return heard_at

    async def _relist(self) -> str:
        followed = self._followed
        async with self._gate:
            listing = await followed.cluster.list(
                followed.resource, namespace=followed.namespace, labels=followed.labels
            )
        self._heard_at = time.monotonic()
        self._into.take_list(followed.namespace, listing.items)
        self.answered.set()
        return listing.version

    async def _follow(self, version: str) -> bool:
        """Take in one stream; return whether anything came."""
        heard, followed, pace = False, self._followed, Pace()
        changes = followed.cluster.watch(
            followed.resource, since=version, namespace=followed.namespace, labels=followed.labels
        )
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._waiting = limit
                async for event in changes:
                    heard = True
                    self._heard_at = time.monotonic()
                    self._into.take_event(event)
                    self._version = event.version
                    await pace.step()
        except TimeoutError:
            if not limit.expired():
                raise
            return False  # it was doubted: list again
        finally:
            self._waiting = None
        return heard

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds) as self._waiting:
                await asyncio.Event().wait()
        except TimeoutError:
            return
        finally:
            self._waiting = None

    @staticmethod
    def _pauses() -> Iterator[float]:
        return pauses(_FIRST_PAUSE, _LONGEST_PAUSE)

"""The write fence: keep a replica from writing when it may have been taken for dead."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Literal

from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import Resource
from spawnpenny.replicas.errors import ReplicaFencedError

if TYPE_CHECKING:
    from spawnpenny.domain.broker import Broker
    from spawnpenny.domain.users import User


class Fence:
    """The write fence of this replica: open until a time of the event loop's clock.

    ``patience`` is for how many seconds a call waits while the fence is shut.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._until = -math.inf
        self._opened = asyncio.Event()
        self._timeouts: set[asyncio.Timeout] = set()

    @property
    def is_open(self) -> bool:
        return asyncio.get_running_loop().time() < self._until

    def open_until(self, when: float) -> None:
        """Allow calls until a time, also the running ones."""
        self._until = when
        for timeout in self._timeouts:
            if not timeout.expired():  # an expired call is being cancelled already
                timeout.reschedule(when)
        self._opened.set()
        self._opened = asyncio.Event()

    def shut(self) -> None:
        """Allow no more calls, and cancel the running ones."""
        self.open_until(-math.inf)

    @asynccontextmanager
    async def writing(self, *, late: bool = False) -> AsyncIterator[None]:
        """Write within this context. A call without an answer when the fence shuts is cancelled; it may have been done.

        A write that begins while the fence is shut is refused even if the fence opens again: another replica may have
        written meanwhile. Only a write that fails by itself in that case, as by compare-and-set, may be ``late``.

        Raises:
            ReplicaFencedError: The fence is shut, or was. Raised once it opens, or after the patience.

        """
        await self.demand_open(late=late)
        limit = asyncio.timeout_at(self._until)
        try:
            async with limit:
                self._timeouts.add(limit)
                try:
                    yield
                finally:
                    self._timeouts.discard(limit)
        except TimeoutError:
            if limit.expired():
                raise _fenced() from None
            raise

    async def demand_open(self, *, late: bool = False) -> None:
        """Return if the fence is open; with ``late`` also once it opens.

        Raises:
            ReplicaFencedError: The fence is shut.

        """
        if self.is_open:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while not self.is_open:
                    await self._opened.wait()
        if not (late and self.is_open):
            raise _fenced()


def _fenced() -> ReplicaFencedError:
    return ReplicaFencedError("This replica could not renew its lease in time, so another replica may have its users.")


class FencedCluster:
    """A cluster that writes only while the fence is open; reads always work.

    ``late`` means that ``create`` and ``replace`` are compare-and-set, so that they may wait until the fence opens.
    """

    def __init__(self, cluster: Cluster, fence: Fence, *, late: bool = False) -> None:
        self._fence = fence
        self._late = late
        self._cluster = cluster
        self.read = cluster.read
        self.list = cluster.list
        self.metadata = cluster.metadata
        self.watch = cluster.watch
        self.log = cluster.log
        self.service_host = cluster.service_host
        self.close = cluster.close

    async def create(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        async with self._fence.writing(late=self._late):
            return await self._cluster.create(manifest, resource)

    async def replace(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        async with self._fence.writing(late=self._late):
            return await self._cluster.replace(manifest, resource)

    async def patch(self, ref: Ref, patch: Manifest) -> Manifest:
        async with self._fence.writing():
            return await self._cluster.patch(ref, patch)

    async def delete(
        self, ref: Ref, *, uid: str | None = None, version: str | None = None, grace: int | None = None
    ) -> bool:
        async with self._fence.writing():
            return await self._cluster.delete(ref, uid=uid, version=version, grace=grace)


class FencedBroker:
    """A broker that takes requests only while the fence is open; a running request is not cancelled."""

    def __init__(self, broker: Broker, fence: Fence) -> None:
        self._fence = fence
        self._broker = broker
        self.namespace_hash = broker.namespace_hash
        self.order_hash = broker.order_hash

    async def claim_namespace(self, username: str) -> str:
        await self._fence.demand_open()
        return await self._broker.claim_namespace(username)

    async def release_namespace(self, username: str, uid: str, *, purge: bool = False, foreign: bool = False) -> None:
        await self._fence.demand_open()
        await self._broker.release_namespace(username, uid, purge=purge, foreign=foreign)

    async def provision(self, user: User, order: Literal["commission", "retire"]) -> None:
        await self._fence.demand_open()
        await self._broker.provision(user, order)

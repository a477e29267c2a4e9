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
    """Until when this replica may write, by the clock of the event loop.

    ``patience`` are the seconds for which a call waits where it is shut.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._until = -math.inf
        self._opened = asyncio.Event()
        self._under_way: set[asyncio.Timeout] = set()

    @property
    def is_open(self) -> bool:
        return asyncio.get_running_loop().time() < self._until

    def open_until(self, when: float) -> None:
        """Allow calls until a time, also those that are under way."""
        self._until = when
        for each in self._under_way:
            if not each.expired():  # what has expired is being broken off, and ends by itself
                each.reschedule(when)
        self._opened.set()
        self._opened = asyncio.Event()

    def shut(self) -> None:
        """Allow no more calls, and break off those under way."""
        self.open_until(-math.inf)

    @asynccontextmanager
    async def writing(self, *, late: bool = False) -> AsyncIterator[None]:
        """Write inside of this. What is not answered when the fence shuts is broken off: it may be done, or not.

        What was wanted while it is shut is not done any more, also when it opens again: another replica may have done
        it meanwhile, and gone on from there. Only a write that fails where somebody else wrote may come ``late``.

        Raises:
            ReplicaFencedError: It is shut, or was. Raised when it has opened, or does not for long.

        """
        await self.demand_open(late=late)
        limit = asyncio.timeout_at(self._until)
        try:
            async with limit:
                self._under_way.add(limit)
                try:
                    yield
                finally:
                    self._under_way.discard(limit)
        except TimeoutError:
            if limit.expired():
                raise _fenced() from None
            raise

    async def demand_open(self, *, late: bool = False) -> None:
        """Return at once where it is open; with ``late`` also when it has opened.

        Raises:
            ReplicaFencedError: It is shut.

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
    return ReplicaFencedError("This replica could not renew its lease in time, so another one may have its users.")


class FencedCluster:
    """A cluster that is written to only while the fence is open; reading goes on.

    ``late``: what is created and replaced is written by compare-and-set, and may wait until the fence has opened.
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
    """A broker that is asked only while the fence is open; an answer is waited for all the same."""

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

"""Keeps a replica from writing when it may have been taken for dead."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from spawnpenny.cluster.kinds import Resource
from spawnpenny.cluster.port import Cluster, Manifest, Ref
from spawnpenny.errors import ReplicaFencedError


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
        """Let calls through until a time, also those that are under way."""
        self._until = when
        for each in self._under_way:
            if not each.expired():  # what has expired is being broken off, and ends by itself
                each.reschedule(when)
        self._opened.set()
        self._opened = asyncio.Event()

    def shut(self) -> None:
        """Let nothing through any more, and break off what is under way."""
        self.open_until(-math.inf)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write inside of this. What is not answered when the fence shuts is broken off: it may be done, or not.

        Raises:
            ReplicaFencedError: It is shut, or was.

        """
        await self._until_open()
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

    async def _until_open(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                while not self.is_open:
                    await self._opened.wait()
        except TimeoutError:
            raise _fenced() from None


def _fenced() -> ReplicaFencedError:
    return ReplicaFencedError("This replica could not renew its lease in time, so another one may have its users.")


class FencedCluster:
    """A cluster that is written to only while the fence is open; reading goes on."""

    def __init__(self, cluster: Cluster, fence: Fence) -> None:
        self._fence = fence
        self._cluster = cluster
        self.read = cluster.read
        self.list = cluster.list
        self.watch = cluster.watch
        self.log = cluster.log
        self.close = cluster.close

    async def create(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        async with self._fence.writing():
            return await self._cluster.create(manifest, resource)

    async def replace(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        async with self._fence.writing():
            return await self._cluster.replace(manifest, resource)

    async def patch(self, ref: Ref, patch: Manifest) -> Manifest:
        async with self._fence.writing():
            return await self._cluster.patch(ref, patch)

    async def delete(self, ref: Ref, *, uid: str | None = None, grace: int | None = None) -> bool:
        async with self._fence.writing():
            return await self._cluster.delete(ref, uid=uid, grace=grace)

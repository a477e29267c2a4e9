"""A process's view of a cluster that can be cut off: it then hears nothing, and its writes never arrive.

So a test can end a service in its own process as SIGKILL would: no clean-up of it reaches the cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Never, TypeVar

from spawnpenny.kubernetes.interface import Listing, Manifest, Ref, WatchEvent
from spawnpenny.kubernetes.kinds import Resource
from spawnpenny.testing.faults import FaultyCluster

T = TypeVar("T")


@dataclass
class KillableCluster(FaultyCluster):
    """Passes calls on until ``kill`` is called; a call that waits then stays so until ``release`` cancels it."""

    dead: bool = False
    _buried: asyncio.Event = field(default_factory=asyncio.Event)

    def kill(self) -> None:
        """Answer nothing from now on, and let nothing through."""
        self.dead = True

    def release(self) -> None:
        """End what still waits for an answer."""
        self._buried.set()

    async def silence(self) -> Never:
        """Wait as one waits who is dead."""
        await self._buried.wait()
        raise asyncio.CancelledError

    async def read(self, ref: Ref) -> Manifest | None:
        return await self._answered(lambda: FaultyCluster.read(self, ref))

    async def list(
        self, resource: Resource, *, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Listing:
        return await self._answered(lambda: FaultyCluster.list(self, resource, namespace=namespace, labels=labels))

    async def metadata(self, resource: Resource, *, namespace: str) -> tuple[Manifest, ...]:
        return await self._answered(lambda: FaultyCluster.metadata(self, resource, namespace=namespace))

    async def watch(
        self,
        resource: Resource,
        *,
        since: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WatchEvent]:
        async for event in super().watch(resource, since=since, namespace=namespace, labels=labels):
            if self.dead:
                await self.silence()
            yield event

    async def _pass(self, call: str, work: Callable[[], Awaitable[T]]) -> T:
        return await self._answered(lambda: FaultyCluster._pass(self, call, work))  # noqa: SLF001 - its parent's

    async def _answered(self, work: Callable[[], Awaitable[T]]) -> T:
        if self.dead:
            await self.silence()
        answer = await work()
        if self.dead:
            await self.silence()
        return answer

"""A cluster that misbehaves at one chosen call.

With it a test can fail, cancel or kill a spawn at every point of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from spawnpenny.kubernetes.interface import Cluster, Listing, Manifest, Ref, WatchEvent
from spawnpenny.kubernetes.kinds import Resource

T = TypeVar("T")
Fault = Callable[[str], Awaitable[None]]
"""Called with a description of the call; it may raise, cancel something, or end the process."""


@dataclass
class FaultyCluster:
    """Passes every call on, and counts those that change something from the moment when ``arm`` was called.

    What keeps a Lease is not counted, as that comes by the clock.
    ``calls`` describes those counted so far, such as ``create Pod lab in lab-ada``.
    """

    cluster: Cluster
    calls: list[str] = field(default_factory=list)
    _at: int | None = None
    _before: Fault | None = None
    _after: Fault | None = None

    def arm(self, at: int | None = None, *, before: Fault | None = None, after: Fault | None = None) -> None:
        """Count from here.

        At the call of that number (from 0) call ``before`` ahead of it, and ``after`` when it was answered.
        """
        self.calls = []
        self._at, self._before, self._after = at, before, after

    async def create(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        ref = Ref.of(manifest, resource)
        return await self._pass(f"create {ref}", lambda: self.cluster.create(manifest, resource))

    async def replace(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        ref = Ref.of(manifest, resource)
        return await self._pass(f"replace {ref}", lambda: self.cluster.replace(manifest, resource))

    async def patch(self, ref: Ref, patch: Manifest) -> Manifest:
        return await self._pass(f"patch {ref}", lambda: self.cluster.patch(ref, patch))

    async def read(self, ref: Ref) -> Manifest | None:
        return await self.cluster.read(ref)

    async def list(
        self, resource: Resource, *, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Listing:
        return await self.cluster.list(resource, namespace=namespace, labels=labels)

    async def metadata(self, resource: Resource, *, namespace: str) -> tuple[Manifest, ...]:
        return await self.cluster.metadata(resource, namespace=namespace)

    async def delete(
        self, ref: Ref, *, uid: str | None = None, version: str | None = None, grace: int | None = None
    ) -> bool:
        return await self._pass(
            f"delete {ref}", lambda: self.cluster.delete(ref, uid=uid, version=version, grace=grace)
        )

    def watch(
        self,
        resource: Resource,
        *,
        since: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WatchEvent]:
        return self.cluster.watch(resource, since=since, namespace=namespace, labels=labels)

    async def log(self, ref: Ref, *, container: str, tail: int) -> str:
        return await self.cluster.log(ref, container=container, tail=tail)

    def service_host(self, namespace: str, name: str) -> str:
        return self.cluster.service_host(namespace, name)

    async def close(self) -> None:
        await self.cluster.close()

    async def _pass(self, call: str, work: Callable[[], Awaitable[T]]) -> T:
        if " Lease " in call:
            return await work()
        number = len(self.calls)
        self.calls.append(call)
        if number == self._at and self._before is not None:
            await self._before(call)
        answer = await work()
        if number == self._at and self._after is not None:
            await self._after(call)
        return answer

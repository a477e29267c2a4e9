"""A service in the test's own process that can be ended well, or killed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from spawnpenny.service import Service
from spawnpenny.testing.killable import KillableCluster
from spawnpenny.testing.site import Site


@dataclass
class KillableReplica:
    """Of a site. ``cluster`` is how it sees the cluster, ``service`` is there once it has started."""

    name: str
    site: Site
    cluster: KillableCluster
    service: Service = field(init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    @property
    def identity(self) -> str:
        return self.service.membership.me.identity

    @property
    def writes(self) -> bool:
        """Return whether it may write at the moment."""
        return not self.cluster.dead and self.service.membership.heartbeat.fence.is_open

    async def start(self) -> None:
        """Start it; it is ready when this returns."""
        started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(started))
        _ = await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            await self._task

    async def stop(self) -> None:
        """End it as SIGTERM does."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    def kill(self) -> None:
        """End it as SIGKILL does: nothing that it does after that arrives anywhere."""
        self.cluster.kill()
        if self._task is not None:
            self._task.cancel()

    async def release(self) -> None:
        """Wait until nothing of it is left in this process, after it was killed."""
        self.cluster.release()
        if self._task is not None:
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, started: asyncio.Future[None]) -> None:
        async with self.site.service(self.name, self.cluster) as self.service:
            started.set_result(None)
            await self._stopping.wait()

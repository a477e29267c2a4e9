"""A site's service with its web server, in the test's own process, that can be killed and started again."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiohttp import web

from spawnpenny.app import create_app
from spawnpenny.broker.local import run_local_broker
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.service import Service
from spawnpenny.serving.server import runner_of
from spawnpenny.testing.killable import KillableCluster
from spawnpenny.testing.ports import LOOPBACK, free_ports
from spawnpenny.testing.site import Site
from spawnpenny.web.app_keys import SERVICE


class KillableService:
    """Serves a site on one port of loopback; ``async with`` starts and ends it.

    The site's cluster, and the pods on it, outlive it: on the embedded cluster those are real labs.

    Attributes:
        url: Where it answers, before and after a kill.

    """

    def __init__(self, site: Site, *, tls: ssl.SSLContext | None = None) -> None:
        (self._port,) = free_ports(1)
        self.url = f"{'https' if tls else 'http'}://{LOOPBACK}:{self._port}"
        self._site = site
        self._tls = tls
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it; it is ready when this returns."""
        self._cluster = KillableCluster(self._site.cluster)
        self._ending = asyncio.Event()
        started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(started))
        _ = await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            await self._task

    async def stop(self) -> None:
        """End it as SIGTERM does."""
        self._ending.set()
        if self._task is not None:
            await self._task

    @property
    def service(self) -> Service:
        """The service as it is now, for calls without HTTP."""
        return self._service

    async def kill(self) -> None:
        """End it as SIGKILL does: connections break, nothing that it does arrives anywhere, its port is free."""
        if self._task is None:
            return
        self._cluster.kill()
        for listener in list(self._runner.sites):
            await listener.stop()
        if self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        self._cluster.release()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def _run(self, started: asyncio.Future[None]) -> None:
        settings = self._site.settings
        plugins = load_plugins(settings, extra=self._site.plugins)
        async with run_local_broker(self._cluster, settings) as broker:
            app = create_app(settings, plugins, self._cluster, broker)
            self._runner = await runner_of(app, shutdown_timeout=1)
            try:
                await web.TCPSite(self._runner, LOOPBACK, self._port, ssl_context=self._tls).start()
                self._service = app[SERVICE]
                await self._service.until_ready()
                started.set_result(None)
                await self._ending.wait()
            finally:
                await self._runner.cleanup()

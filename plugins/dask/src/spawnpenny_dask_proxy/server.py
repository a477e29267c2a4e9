"""The proxy as a whole: two listeners, and the table of routes that the service fills."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import web

from spawnpenny.api import SettingsError, client_context
from spawnpenny.api.serving import (
    CONNECTIONS,
    Connection,
    Connections,
    Listener,
    Patience,
    Supervisor,
    auxiliary_application,
    connections_of,
    listening,
)
from spawnpenny_dask_proxy.dashboards import Dashboards
from spawnpenny_dask_proxy.forwarding import upstream_session
from spawnpenny_dask_proxy.limits import ProxyLimits
from spawnpenny_dask_proxy.passthrough import Passthrough
from spawnpenny_dask_proxy.routes import Feed, RouteTable

if TYPE_CHECKING:
    from spawnpenny.api import Settings

_PATIENCE: Final = Patience(total=5.0)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy.

    Attributes:
        port: The port for TLS.
        dashboard_port: The port for dashboards, by HTTP.
        table: The known routes.
        passthrough: The TLS connections.
        supervisor: The supervisor of its tasks.

    """

    port: int
    dashboard_port: int
    table: RouteTable
    passthrough: Passthrough
    supervisor: Supervisor
    _listener: Listener

    async def stop_listening(self) -> None:
        """Accept no more TLS connections; the open ones stay."""
        await self._listener.close()

    async def drain(self, seconds: float) -> None:
        """Wait so many seconds for the open TLS connections to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.passthrough.empty.wait()


@asynccontextmanager
async def running_proxy(settings: Settings, token: str, *, limits: ProxyLimits | None = None) -> AsyncIterator[Proxy]:
    """Run the proxy until the context ends, which cuts all connections.

    Args:
        settings: ``gateway`` has its addresses and the service's; ``web.authority`` is for a service with TLS.
        token: A token of the service with the scope ``routes``.
        limits: The bounds; None: the defaults.

    Raises:
        SettingsError: A port is in use, or a setting cannot be used.

    """
    limits = limits or ProxyLimits()
    table = RouteTable()
    trust = client_context("web.authority", settings.web.authority)
    connector = aiohttp.TCPConnector(limit=0, ssl=trust or True)
    async with (
        aiohttp.ClientSession(connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
        upstream_session() as upstream,
    ):
        service = Connection(session, settings.gateway.service, token, _PATIENCE)
        feed = Feed(table, service)
        dashboards = Dashboards(table, feed, service, token, limits, public=settings.gateway.public_address or "")
        passthrough = Passthrough(table, limits)
        supervisor = Supervisor()
        supervisor.supervise("routes", feed.run)
        app = _application(dashboards, table, upstream, supervisor)
        gateway = settings.gateway
        connections = app[CONNECTIONS] = connections_of(settings)
        try:
            async with (
                listening(
                    app,
                    gateway.host,
                    gateway.dashboard_port,
                    named="gateway.host and gateway.dashboard_port",
                    supervisor=supervisor,
                ) as dashboard_port,
                _passing(passthrough, connections, gateway.host, gateway.port, supervisor) as listener,
            ):
                yield Proxy(listener.port, dashboard_port, table, passthrough, supervisor, listener)
        finally:
            await supervisor.close()


@asynccontextmanager
async def _passing(
    passthrough: Passthrough, connections: Connections, host: str, port: int, supervisor: Supervisor
) -> AsyncIterator[Listener]:
    # To make room, silent connections on the dashboards' port are closed before any of these.
    connections.neighbours.append(passthrough.give_way)
    listener = Listener(serve=passthrough.take, admit=lambda _: None, make_room=connections.make_room)
    try:
        await listener.bind(host, port)
    except OSError as error:
        why = error.strerror or errno.errorcode.get(error.errno or 0, str(error))
        raise SettingsError(f"gateway.host and gateway.port: cannot listen on {host}:{port}: {why}.") from None
    listener.start(supervisor)
    try:
        yield listener
    finally:
        await listener.close()
        await passthrough.close()


def _application(
    dashboards: Dashboards, table: RouteTable, upstream: aiohttp.ClientSession, supervisor: Supervisor
) -> web.Application:
    async def show(request: web.Request) -> web.StreamResponse:
        return await dashboards.answer(request, upstream)

    async def get_healthz(request: web.Request) -> web.Response:
        del request
        if supervisor.hopeless():
            return web.json_response({"status": "failing"}, status=503)
        return web.json_response({"status": "ok"})

    async def get_readyz(request: web.Request) -> web.Response:
        del request
        if not table.synced.is_set():
            return web.json_response({"status": "starting"}, status=503)
        if unwell := supervisor.unwell():
            return web.json_response({"status": "failing", "tasks": unwell}, status=503)
        return web.json_response({"status": "ready"})

    async def close(app: web.Application) -> None:
        del app
        dashboards.closing.set()

    app = auxiliary_application(
        [("GET", "/healthz", get_healthz), ("GET", "/readyz", get_readyz), ("*", "/{path:.*}", show)]
    )
    app.on_shutdown.append(close)
    app.on_response_prepare.append(_put_headers)
    return app


async def _put_headers(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")

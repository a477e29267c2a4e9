"""Serve an aiohttp application on a host and port."""

from __future__ import annotations

import asyncio
import errno
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from spawnpenny.aio.connections import Connection, ConnectionLimits, Connections
from spawnpenny.aio.listener import Listener
from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.errors import SettingsError
from spawnpenny.serving.client_address import ClientAddresses
from spawnpenny.serving.prefix import PREFIX, stripping
from spawnpenny.serving.protocol import RequestHandler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from spawnpenny.serving.certificates import Certificate
    from spawnpenny.settings.model import Settings

CONNECTIONS: Final = web.AppKey("CONNECTIONS", Connections)
"""The connections to an application, with their limits; default limits apply if it has none."""
_PATIENCE: Final = 5.0
"""Seconds that running requests have to end. Streams end at once, as ``CLOSING`` is set."""
_LINGER: Final = 2.0
"""Seconds for which the rest of an unread body is still received, so that the caller gets the answer."""


def connections_of(settings: Settings) -> Connections:
    """Return the connections of a listener, with the limits that the settings name."""
    limits, deadlines = settings.limits, settings.deadlines
    return Connections(
        ConnectionLimits(
            most=limits.connections,
            of_address=limits.address_connections,
            header=deadlines.header,
            idle=deadlines.idle,
            write=deadlines.write,
            shared=ClientAddresses(settings.web).is_trusted,
        )
    )


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    *,
    move: bool = False,
    certificate: Certificate | None = None,
    named: str = "web.host and web.port",
    supervisor: Supervisor | None = None,
) -> AsyncIterator[int]:
    """Listen until the context ends; yield the port.

    Args:
        app: The application. It is started, and cleaned up at the end. Its ``CONNECTIONS`` have the limits.
        host: The address to listen on.
        port: The port; 0 for any free one.
        move: Use another free port if this one is taken.
        certificate: Serve HTTPS with it, not HTTP.
        named: The settings that host and port are from.
        supervisor: Supervises the tasks of the listener.

    Raises:
        SettingsError: The port is taken, or the host is not this machine's.

    """
    connections = app[CONNECTIONS] if CONNECTIONS in app else Connections()
    app.middlewares.insert(0, _noted)
    runner = await runner_of(app, shutdown_timeout=_PATIENCE)
    try:
        listener = _listener(runner, connections, certificate)
        await _bind(listener, host, port, move=move, named=named)
        part = (supervisor or Supervisor()).part()
        part.supervise(f"connections at {listener.port}", connections.run)
        listener.start(part)
        try:
            yield listener.port
        finally:
            await listener.close()
            await part.close()
    finally:
        await runner.cleanup()


async def runner_of(app: web.Application, *, shutdown_timeout: float) -> web.AppRunner:
    """Return a runner of an application, set up; it removes the prefix of the application from paths."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
    await runner.setup()
    if runner.server is not None and PREFIX in app:  # the service: no other application has the gateway's routes
        runner.server.request_factory = stripping(runner.server.request_factory, app[PREFIX])
    return runner


def _listener(runner: web.AppRunner, connections: Connections, certificate: Certificate | None) -> Listener:
    server, loop = runner.server, asyncio.get_running_loop()
    assert server is not None  # noqa: S101 - it is set up

    def connection(address: str) -> asyncio.Protocol:
        # The idle limit of ``Connections`` comes first.
        idle = 2 * connections.limits.idle
        # The access log is our own: aiohttp's has the query, in which there may be a token.
        inner = RequestHandler(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # as AppRunner has it
            keepalive_timeout=idle,
            lingering_time=_LINGER,
        )
        return Connection(connections, inner, address)

    return Listener(
        connection,
        admit=connections.admit,
        make_room=connections.make_room,
        tls=None if certificate is None else certificate.context,
        handshake=connections.limits.header,
        refused=connections.closed,
        unread=connections.limits.write,
    )


async def _bind(listener: Listener, host: str, port: int, *, move: bool, named: str) -> None:
    try:
        await listener.bind(host, port)
    except OSError as error:
        if not (move and error.errno == errno.EADDRINUSE):
            why = error.strerror or str(error)
            raise SettingsError(f"{named}: cannot listen on {host}:{port}: {why}.") from None
        await listener.bind(host, 0)


async def until_gone(request: web.Request) -> None:
    """Return when the caller is gone; never if the application is not served by ``listening``."""
    protocol = request.transport.get_protocol() if request.transport is not None else None
    await (protocol.lost if isinstance(protocol, Connection) else asyncio.Event()).wait()


@web.middleware
async def _noted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note on the connection that a request is under way."""
    protocol = request.transport.get_protocol() if request.transport is not None else None
    if not isinstance(protocol, Connection):
        return await handler(request)
    protocol.begin()
    try:
        return await handler(request)
    finally:
        protocol.end()

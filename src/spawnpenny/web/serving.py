"""Has an application listen."""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from spawnpenny.errors import SettingsError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from spawnpenny.web.certificates import Certificate

_PATIENCE: Final = 5.0
"""Seconds that requests under way get to end by themselves. Streams end at once, as ``CLOSING`` is set."""


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    *,
    move: bool = False,
    certificate: Certificate | None = None,
    named: str = "web.host and web.port",
) -> AsyncIterator[int]:
    """Listen until the context ends; yield the port.

    Args:
        app: What answers. It is started, and cleaned up at the end.
        host: Where.
        port: 0 for any free one.
        move: Take a free port where this one is taken.
        certificate: Serve HTTPS with it, not HTTP.
        named: The settings that host and port are from.

    Raises:
        SettingsError: The port is taken, or the host is not this machine's.

    """
    # The access log is our own: aiohttp's has the query, in which there may be a token.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_PATIENCE)
    await runner.setup()
    try:
        tls = None if certificate is None else certificate.context
        await _listen(runner, host, port, move=move, tls=tls, named=named)
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _listen(
    runner: web.AppRunner, host: str, port: int, *, move: bool, tls: ssl.SSLContext | None, named: str
) -> None:
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as error:
        if not (move and error.errno == errno.EADDRINUSE):
            why = error.strerror or str(error)
            raise SettingsError(f"{named}: cannot listen on {host}:{port}: {why}.") from None
        await web.TCPSite(runner, host, 0, ssl_context=tls).start()

"""The part of a kubelet that an API server asks for logs."""

from __future__ import annotations

import asyncio
import ssl
import weakref
from typing import TYPE_CHECKING, Self

import trustme
from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType


class KubeletLogs:
    """Serves what containers are said to have written, on a port of its own on loopback."""

    port: int

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], str] = {}
        """By namespace and pod; all containers of a pod have the same."""
        self._transports: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._log)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._transports:
            transport.abort()  # or the API server, which keeps its connections, would be waited for
        await self._runner.cleanup()

    async def _log(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            self._transports.add(request.transport)
        text = self.texts.get((request.match_info["namespace"], request.match_info["pod"]), "")
        desired = int(request.query.get("tailLines", "0"))
        return web.Response(text="".join(text.splitlines(keepends=True)[-desired:]))

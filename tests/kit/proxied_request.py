"""One request on its way through a ``FaultProxy``, and the ways to answer it."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    from tests.kit.fault_proxy import FaultProxy

_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "authorization"})
_AT_ONCE: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """The target of a request: ``str`` of it is such as ``POST /api/v1/namespaces/lab-ada/pods``.

    ``version`` is the one that a watch begins at.
    """

    method: str
    path: str
    watch: bool
    version: str = ""

    @classmethod
    def of(cls, request: web.BaseRequest) -> Self:
        return cls(
            request.method, request.path, request.query.get("watch") == "true", request.query.get("resourceVersion", "")
        )

    @property
    def changes(self) -> bool:
        """Return whether it changes something."""
        return self.method not in {"GET", "HEAD"}

    def __str__(self) -> str:
        return f"{'WATCH' if self.watch else self.method} {self.path}"


class ProxiedRequest:
    """A request, and how it is answered.

    ``hushed`` has a stream that is open say nothing more.
    """

    def __init__(self, proxy: FaultProxy, request: web.BaseRequest) -> None:
        self.target = RequestTarget.of(request)
        self.hushed = False
        self._proxy = proxy
        self._request = request

    async def pass_on(self) -> web.StreamResponse:
        """Pass the API server's answer on, piece by piece as it comes."""
        async with await self._forward() as upstream:
            answer = await self.begin(upstream.status, upstream.headers)
            async for piece in upstream.content.iter_any():
                if not self.hushed:
                    await answer.write(piece)
            await answer.write_eof()
        return answer

    async def carried_out(self) -> aiohttp.ClientResponse:
        """Send the request to the API server; return its whole answer."""
        async with await self._forward() as upstream:
            await upstream.read()
        return upstream

    async def first_piece(self) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send the request to the API server; return the head of its answer and the first piece of the body."""
        async with await self._forward() as upstream:
            return upstream, await upstream.content.readany()

    async def begin(self, status: int, headers: aiohttp.typedefs.LooseHeaders | None = None) -> web.StreamResponse:
        """Send the head of an answer."""
        kept = {k: v for k, v in dict(headers or {}).items() if str(k).lower() not in _HOP_BY_HOP}
        answer = web.StreamResponse(status=status, headers=kept)
        await answer.prepare(self._request)
        return answer

    async def hang(self) -> web.StreamResponse:
        """Say nothing more, until the caller gives up or the proxy ends."""
        await asyncio.Event().wait()
        raise AssertionError

    async def reset(self) -> web.StreamResponse:
        """Break the connection off, as a peer does that has forgotten it."""
        self.break_off()
        return await self.hang()

    def break_off(self) -> None:
        transport = self._request.transport
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            transport.abort()

    async def end(self) -> web.StreamResponse:
        """Close the connection where it stands, as in the middle of an answer."""
        transport = self._request.transport
        if transport is not None:
            transport.close()
        return await self.hang()

    async def _forward(self) -> aiohttp.ClientResponse:
        body = await self._request.read()
        headers = {k: v for k, v in self._request.headers.items() if k.lower() not in _HOP_BY_HOP}
        url = URL(self._proxy.upstream + self._request.raw_path, encoded=True)
        return await self._proxy.http.request(self.target.method, url, data=body or None, headers=headers)

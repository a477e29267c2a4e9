"""The sockets of an HTTP client: they notice a dead peer, and none outlives the client."""

from __future__ import annotations

import asyncio
import socket
import weakref
from contextlib import suppress
from typing import Any, Final

_ROUNDS: Final = 100


class Sockets:
    """Makes sockets, as the ``socket_factory`` of an aiohttp connector."""

    def __init__(self) -> None:
        self._made: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def __call__(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        # On a watch, no event and no peer look the same: let the system find out within a minute.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        self._made.add(made)
        return made

    async def close(self) -> None:
        """Break off what is still open after the connector was closed.

        That is every TLS connection whose request was cancelled: it waits for the peer's goodbye, unknown to the
        connector, and that may come after the end of the event loop.
        """
        for made in self._made:
            if made.fileno() >= 0:
                with suppress(OSError):
                    made.shutdown(socket.SHUT_RDWR)
        for _ in range(_ROUNDS):  # the event loop sees the end of a stream in its next rounds
            if all(made.fileno() < 0 for made in self._made):
                return
            await asyncio.sleep(0)

"""Two connections that are one: what comes on either goes out on the other."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

_AHEAD: Final = 64 * 1024
"""Bytes that are held for a side that reads slowly before the other is not read any more. More is not faster."""
_PROBES: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class Side(asyncio.Protocol):
    """One end. Until ``join`` makes it one half of a splice, it reads nothing.

    Each direction ends by itself, as TCP has it. Once one has ended, both are cut after ``half`` seconds in which
    nothing moved: of a side that is not read any more nothing else would tell that it is gone.
    """

    transport: asyncio.Transport

    def __init__(self, half: float) -> None:
        self._half = half
        self._peer: Side | None = None
        self._ended = False
        self._lost = False
        self._heard = 0

    @property
    def lost(self) -> bool:
        return self._lost

    def join(self, peer: Side, begun: bytes) -> None:
        """Pass on to the peer what has come already, and from now on all that comes, both ways."""
        self._peer, peer._peer = peer, self
        peer.transport.write(begun)
        for side in (self, peer):
            side.transport.resume_reading()

    def cut(self) -> None:
        """End both connections at once."""
        for side in (self, self._peer):
            if side is not None:
                side.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's: there is nothing else in use here
        self.transport = transport
        transport.pause_reading()
        _prepare(transport)

    def data_received(self, data: bytes) -> None:
        if self._peer is not None:
            self._heard += len(data)
            self._peer.transport.write(data)

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._peer.transport.resume_reading()

    def eof_received(self) -> bool:
        """Return whether to leave the other direction open."""
        self._ended = True
        peer = self._peer
        if peer is None:
            return False
        if peer._ended:  # noqa: SLF001
            peer.transport.close()
            return False
        peer.transport.write_eof()
        self._watch(self._moved())
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        peer = self._peer
        if peer is None or peer.lost:
            return
        if exc is not None:
            peer.transport.abort()
        else:
            peer.transport.close()  # what it has not sent yet still goes out
            self._watch(self._moved())

    def _watch(self, before: tuple[int, ...]) -> None:
        asyncio.get_running_loop().call_later(self._half, self._look, before)

    def _look(self, before: tuple[int, ...]) -> None:
        sides = (self, self._peer)
        if all(side is None or side.lost for side in sides):
            return
        if (now := self._moved()) == before:
            self.cut()
        else:
            self._watch(now)

    def _moved(self) -> tuple[int, ...]:
        sides = [side for side in (self, self._peer) if side is not None]
        return tuple(number for side in sides for number in (side._heard, side.transport.get_write_buffer_size()))  # noqa: SLF001


def _prepare(transport: asyncio.Transport) -> None:
    """Set up a connection. That small pieces are sent at once (TCP_NODELAY) asyncio sees to."""
    transport.set_write_buffer_limits(high=_AHEAD)
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        # A pod that vanished with its node says nothing; without this its connections would stay for ever.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBES:
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

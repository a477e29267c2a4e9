"""Detect a peer that reads too slowly from its connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

_LEAST_RATE: Final = 2048.0
"""Bytes a second that a peer has to read while so much is waiting: a slow line reads more."""
_BYTES_ACKED: Final = 120
"""Where ``tcpi_bytes_acked`` stands in Linux' ``struct tcp_info``."""
_UNSENT: Final = 16 * 1024
"""Bytes that the system keeps of what it could not send yet; the rest stays where it is counted."""


def keep_unsent_low(connection: socket.socket, seconds: float) -> None:
    """Make the kernel buffer little of unread data, and close the connection after so many seconds."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * seconds))
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)


class Unread:
    """The bytes of one connection that its peer has not read yet.

    Within a time limit, the peer has to read all bytes that waited at its beginning, or as many as a very slow line
    transfers. So a caller gains nothing by reading a byte now and then.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._since: float | None = None
        self._last = 0
        self._drained = 0
        self._due = 0.0

    def overdue(self, now: float, seconds: float) -> bool | None:
        """Return whether the peer has read too little for so many seconds; None if nothing waits."""
        unread = self._transport.get_write_buffer_size()
        self._drained += max(0, self._last - unread)
        self._last = unread
        if not unread:
            self._since = None
            return None
        taken = self._taken()
        if self._since is None or taken >= self._due:
            self._since, self._due = now, taken + min(unread, _LEAST_RATE * seconds)
        return now - self._since > seconds

    def _taken(self) -> int:
        """Return a count of bytes that grows as they are taken."""
        connection = self._transport.get_extra_info("socket")
        if connection is None or not hasattr(socket, "TCP_INFO"):
            return self._drained  # at least so many: what was added meanwhile is not known
        try:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
        except OSError:  # it is gone
            return self._drained
        return int(struct.unpack_from("Q", info, _BYTES_ACKED)[0]) if len(info) >= _BYTES_ACKED + 8 else self._drained

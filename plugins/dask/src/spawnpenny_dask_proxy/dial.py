"""An attempt to connect to a scheduler."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS})


class Dial:
    """One attempt to connect to a numeric address.

    It calls ``made`` with the socket or ``failed`` with the reason, once, unless ``cancel`` comes first. On a near
    network it does so at once.
    """

    def __init__(self, made: Callable[[socket.socket], None], failed: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._made = made
        self._failed = failed
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = False

    def begin(self, address: str, port: int, seconds: float) -> None:
        """Connect within so many seconds."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            made = self._socket = socket.socket(family, socket.SOCK_STREAM)
            made.setblocking(False)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a large hello is two packets
            error = made.connect_ex((address, port))
        except OSError as failure:
            self._fail(failure.strerror or type(failure).__name__)
            return
        if error not in _UNDER_WAY:
            self._fail(os.strerror(error))
        elif _is_connected(made):
            self._succeed()
        else:
            self._waiting = True
            self._loop.add_writer(made.fileno(), self._check)
            self._timer = self._loop.call_later(seconds, self._fail, "it takes too long")

    def cancel(self) -> None:
        """Give up without calling anything."""
        made = self._release()
        if made is not None:
            made.close()

    def _check(self) -> None:
        assert self._socket is not None  # noqa: S101 - else nothing would be waited for
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(os.strerror(error))
        else:
            self._succeed()

    def _succeed(self) -> None:
        made = self._release()
        if made is not None:
            self._made(made)

    def _fail(self, why: str) -> None:
        self.cancel()
        self._failed(why)

    def _release(self) -> socket.socket | None:
        made, self._socket = self._socket, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if made is not None and self._waiting:
            self._loop.remove_writer(made.fileno())
        return made


def _is_connected(made: socket.socket) -> bool:
    with suppress(OSError):
        made.getpeername()
        return True
    return False

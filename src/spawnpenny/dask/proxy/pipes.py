"""Pipes through which bytes go from one socket to another without a copy in this process (``splice(2)``)."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

SIZE: Final = 1 << 20
"""Bytes that a pipe holds at most: what the system gives to everybody."""
_MOST: Final = 48
"""Of all that one user has, the system gives full size to so many pipes at least."""
_SET_SIZE: Final = getattr(fcntl, "F_SETPIPE_SZ", 1031)


@dataclass(frozen=True, slots=True)
class Pipe:
    """The two ends of a pipe."""

    read: int
    write: int


class Pipes:
    """Lends pipes, each for as long as something is in it. They are made when needed, and kept.

    There are few: most connections have nothing under way, and one that has to wait for its pipe is copied.
    """

    def __init__(self) -> None:
        self._free: list[Pipe] = []
        self._made = 0
        self._most = _MOST if hasattr(os, "splice") else 0

    def borrow(self) -> Pipe | None:
        """Return an empty pipe, or None where there is none left."""
        if self._free:
            return self._free.pop()
        if self._made >= self._most:
            return None
        try:
            read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # no descriptors are left
            return None
        with suppress(OSError):  # a smaller one will do
            fcntl.fcntl(write, _SET_SIZE, SIZE)
        self._made += 1
        return Pipe(read, write)

    def give_back(self, pipe: Pipe, *, empty: bool = True) -> None:
        """Take a pipe back; one that is not empty is closed, so that nobody else gets what is in it."""
        if empty:
            self._free.append(pipe)
        else:
            self._close(pipe)

    def give_up(self) -> None:
        """Lend no more: this system's sockets and pipes do not go together."""
        self._most = 0
        self.close()

    def close(self) -> None:
        """Close the pipes that are not lent."""
        while self._free:
            self._close(self._free.pop())

    def _close(self, pipe: Pipe) -> None:
        os.close(pipe.read)
        os.close(pipe.write)
        self._made -= 1

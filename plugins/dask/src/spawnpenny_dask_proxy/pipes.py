"""Pipes that move bytes between sockets without a copy in this process (``splice(2)``)."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

SIZE: Final = 1 << 20
"""Bytes in one pipe: the most that the system grants without privileges."""
_MOST: Final = 48
"""Pipes of one process: the system grants a user at least so many of full size."""
_SET_SIZE: Final = getattr(fcntl, "F_SETPIPE_SZ", 1031)


@dataclass(frozen=True, slots=True)
class Pipe:
    """The two ends of a pipe."""

    read: int
    write: int


class Pipes:
    """Pool of pipes. A flow borrows one for as long as bytes are in it.

    The pool is small: most connections have no bytes under way, and a flow without a pipe copies its bytes.
    """

    def __init__(self) -> None:
        self._free: list[Pipe] = []
        self._made = 0
        self._most = _MOST if hasattr(os, "splice") else 0

    def borrow(self) -> Pipe | None:
        """Return an empty pipe; None if all are lent."""
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
        """Take a pipe back; close one that is not empty, so that no other connection gets its bytes."""
        if empty:
            self._free.append(pipe)
        else:
            self._close(pipe)

    def give_up(self) -> None:
        """Lend no more pipes: this system cannot splice sockets."""
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

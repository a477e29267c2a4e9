"""Join two connections: bytes from either go out on the other."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Final

from spawnpenny.dask.proxy.pipes import SIZE, Pipe, Pipes

_BUFFER: Final = 64 * 1024
"""Bytes that are copied at once. A read that fills the buffer is followed by ones through a pipe."""
_FEW: Final = 16 * 1024
"""Bytes under which a pipe is slower than a copy."""
_FLAGS: Final = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)
_UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM})
"""What a system answers that has no splice for sockets, such as a sandbox."""
_PROBES: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class Splicing:
    """Resources shared by all splices of a process: its loop, its pipes, and the buffer for copies.

    ``half`` is for how many seconds a splice of which one direction has ended goes on while nothing moves.
    """

    def __init__(self, half: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.pipes = Pipes()
        self.buffer = memoryview(bytearray(_BUFFER))
        self.half = half


class Splice:
    """A pair of connected sockets.

    Each direction ends by itself, as TCP has it. Once one has ended, both are cut after a while in which nothing moved:
    nothing else would show that a side which is not read any more is gone.
    """

    def __init__(self, shared: Splicing, near: socket.socket, far: socket.socket, lost: Callable[[], None]) -> None:
        self._shared = shared
        self._sockets: tuple[socket.socket, ...] = (near, far)
        self._lost = lost
        self._timer: asyncio.TimerHandle | None = None
        self._there = Flow(shared, near, far, self)
        self._back = Flow(shared, far, near, self)

    def begin(self, begun: bytes) -> None:
        """Pass on what has come already, and from now on all that comes, both ways."""
        try:
            self._there.begin(begun)
            self._back.begin(b"")
            for connection in self._sockets:  # last: an answer is waited for
                prepare(connection)
        except OSError:
            self.cut()

    def cut(self) -> None:
        """End both connections at once."""
        if self._sockets:
            if self._timer is not None:  # it would keep all of this until it is due
                self._timer.cancel()
            for each in self._there, self._back:
                each.close()
            for connection in self._sockets:
                connection.close()
            self._sockets = ()
            self._lost()

    def ended(self) -> None:
        """Take note that a direction has ended, and all of it is passed on."""
        if self._there.over and self._back.over:
            self.cut()
        else:
            self._watch(self._moved())

    def _watch(self, before: tuple[int, int]) -> None:
        self._timer = self._shared.loop.call_later(self._shared.half, self._look, before)

    def _look(self, before: tuple[int, int]) -> None:
        if (now := self._moved()) == before:
            self.cut()
        else:
            self._watch(now)

    def _moved(self) -> tuple[int, int]:
        return self._there.moved, self._back.moved


class Flow:
    """One direction. It reads no further before all that it has read is written: so a slow reader holds a writer back.

    Few bytes are copied, many go through a pipe. ``moved`` counts what was written; ``over`` says that the end was
    passed on.
    """

    __slots__ = (
        "_held",
        "_in",
        "_out",
        "_pipe",
        "_reads",
        "_rest",
        "_shared",
        "_sink",
        "_source",
        "_splice",
        "_through",
        "_writes",
        "moved",
        "over",
    )

    def __init__(self, shared: Splicing, source: socket.socket, sink: socket.socket, splice: Splice) -> None:
        self._shared = shared
        self._source = source
        self._sink = sink
        self._in = source.fileno()
        self._out = sink.fileno()
        self._splice = splice
        self._reads = False
        self._writes = False
        self._through = False
        self._pipe: Pipe | None = None
        self._held = 0
        self._rest = b""
        self.moved = 0
        self.over = False

    def begin(self, begun: bytes) -> None:
        """Write what has come already, then all that comes."""
        self._rest = begun
        if begun and not self._write_rest():
            self._wait_to_write()
        else:
            self._wait_to_read()

    def close(self) -> None:
        """Stop, whatever is under way."""
        self._wait_for_nothing()
        if self._pipe is not None:
            self._shared.pipes.give_back(self._pipe, empty=not self._held)
            self._pipe = None

    def _wait_to_read(self) -> None:
        self._wait_for_nothing()
        self._reads = True
        self._shared.loop.add_reader(self._in, self._readable)

    def _wait_to_write(self) -> None:
        self._wait_for_nothing()
        self._writes = True
        self._shared.loop.add_writer(self._out, self._writable)

    def _wait_for_nothing(self) -> None:
        if self._reads:
            self._reads = False
            self._shared.loop.remove_reader(self._in)
        if self._writes:
            self._writes = False
            self._shared.loop.remove_writer(self._out)

    def _readable(self) -> None:
        try:
            pipe = self._shared.pipes.borrow() if self._through else None
            whole = self._copy() if pipe is None else self._move(pipe)
        except BlockingIOError:
            return
        except OSError:
            self._splice.cut()
            return
        if not whole:
            self._wait_to_write()

    def _writable(self) -> None:
        try:
            whole = self._drain(self._pipe) if self._pipe is not None else self._write_rest()
        except OSError:
            self._splice.cut()
            return
        if whole:
            self._wait_to_read()

    def _copy(self) -> bool:
        """Read into the buffer, and write that; return whether nothing is left."""
        buffer = self._shared.buffer
        count = self._source.recv_into(buffer)
        if not count:
            return self._end()
        self._through = count == len(buffer)
        try:
            sent = self._sink.send(buffer[:count])
        except BlockingIOError:
            sent = 0
        self.moved += sent
        if sent < count:
            self._rest = bytes(buffer[sent:count])
        return sent == count

    def _write_rest(self) -> bool:
        """Write what was left of a copy; return whether nothing is left."""
        try:
            sent = self._sink.send(self._rest)
        except BlockingIOError:
            return False
        self.moved += sent
        self._rest = self._rest[sent:]
        return not self._rest

    def _move(self, pipe: Pipe) -> bool:
        """Read into a pipe, and write out of it; return whether nothing is left."""
        try:
            self._held = os.splice(self._in, pipe.write, SIZE, flags=_FLAGS)
        except OSError as error:
            self._shared.pipes.give_back(pipe)
            if error.errno not in _UNSUPPORTED:
                raise
            self._shared.pipes.give_up()
            return self._copy()
        self._pipe = pipe
        self._through = self._held >= _FEW
        if self._held:
            return self._drain(pipe)
        self._return(pipe)
        return self._end()

    def _drain(self, pipe: Pipe) -> bool:
        """Write what is in a pipe; return whether nothing is left."""
        try:
            sent = os.splice(pipe.read, self._out, self._held, flags=_FLAGS)
        except BlockingIOError:
            return False
        self.moved += sent
        self._held -= sent
        if not self._held:
            self._return(pipe)
        return not self._held

    def _return(self, pipe: Pipe) -> None:
        self._pipe = None
        self._shared.pipes.give_back(pipe)

    def _end(self) -> bool:
        """Pass the end on. There is nothing left, and nothing will come."""
        self._wait_for_nothing()
        self.over = True
        self._sink.shutdown(socket.SHUT_WR)
        self._splice.ended()
        return True


def prepare(connection: socket.socket) -> None:
    """Set a connection up: small pieces are sent at once, and one whose other end has vanished ends.

    A pod that vanished with its node says nothing; without probes its connections would stay for ever.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

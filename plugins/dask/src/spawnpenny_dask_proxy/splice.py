"""Join two connections: bytes from either go out on the other."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from spawnpenny_dask_proxy.pipes import SIZE, Pipe, Pipes

_BUFFER: Final = 64 * 1024
"""Bytes of one copy. After a read that fills the buffer, the next ones go through a pipe."""
_FEW: Final = 16 * 1024
"""Bytes below which a pipe is slower than a copy."""
_FLAGS: Final = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)
_UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM})
"""Errors of a system that cannot splice sockets, such as a sandbox."""
_PROBES: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class Splicing:
    """Resources shared by all splices of a process: its loop, its pipes, and the buffer for copies.

    ``half`` is the seconds without a byte after which a splice is cut whose one direction has ended.
    """

    def __init__(self, half: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.pipes = Pipes()
        self.buffer = memoryview(bytearray(_BUFFER))
        self.half = half


class Splice:
    """A pair of joined sockets.

    Each direction ends by itself, as in TCP. Once one has ended, both are cut after a time without a byte: nothing else
    would show that the other side has vanished.
    """

    def __init__(self, shared: Splicing, near: socket.socket, far: socket.socket, lost: Callable[[], None]) -> None:
        self._shared = shared
        self._sockets: tuple[socket.socket, ...] = (near, far)
        self._lost = lost
        self._timer: asyncio.TimerHandle | None = None
        self._forth = Flow(shared, near, far, self)
        self._back = Flow(shared, far, near, self)

    def begin(self, first: bytes) -> None:
        """Pass on the bytes that have come already, then all bytes, in both directions."""
        try:
            self._forth.begin(first)
            self._back.begin(b"")
            for connection in self._sockets:  # last, as the client waits for an answer
                prepare(connection)
        except OSError:
            self.cut()

    def cut(self) -> None:
        """End both connections at once."""
        if self._sockets:
            if self._timer is not None:  # it would keep this object alive until it is due
                self._timer.cancel()
            for flow in self._forth, self._back:
                flow.close()
            for connection in self._sockets:
                connection.close()
            self._sockets = ()
            self._lost()

    def ended(self) -> None:
        """Note that a direction has ended, and its end is passed on."""
        if self._forth.over and self._back.over:
            self.cut()
        else:
            self._watch(self._moved())

    def _watch(self, before: tuple[int, int]) -> None:
        self._timer = self._shared.loop.call_later(self._shared.half, self._check, before)

    def _check(self, before: tuple[int, int]) -> None:
        if (now := self._moved()) == before:
            self.cut()
        else:
            self._watch(now)

    def _moved(self) -> tuple[int, int]:
        return self._forth.moved, self._back.moved


@dataclass(slots=True, eq=False, repr=False)
class Flow:
    """One direction. It reads only after all that it has read is written: a slow reader slows its writer down.

    It copies few bytes, and moves many through a pipe. ``moved`` counts the written bytes; ``over`` is true once the
    end is passed on.
    """

    _shared: Splicing
    _source: socket.socket
    _sink: socket.socket
    _splice: Splice
    moved: int = 0
    over: bool = False
    _in: int = field(init=False)
    _out: int = field(init=False)
    _reads: bool = False
    _writes: bool = False
    _through: bool = False
    _pipe: Pipe | None = None
    _held: int = 0
    _rest: bytes = b""

    def __post_init__(self) -> None:
        self._in = self._source.fileno()
        self._out = self._sink.fileno()

    def begin(self, first: bytes) -> None:
        """Write the bytes that have come already, then all bytes."""
        self._rest = first
        if first and not self._write_rest():
            self._wait_to_write()
        else:
            self._wait_to_read()

    def close(self) -> None:
        """Stop at once."""
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
        """Read into the buffer, and write it; return whether all is written."""
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
        """Write the rest of a copy; return whether all is written."""
        try:
            sent = self._sink.send(self._rest)
        except BlockingIOError:
            return False
        self.moved += sent
        self._rest = self._rest[sent:]
        return not self._rest

    def _move(self, pipe: Pipe) -> bool:
        """Read into a pipe, and write from it; return whether all is written."""
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
        """Write the bytes in a pipe; return whether all are written."""
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
        """Pass the end on, after all bytes."""
        self._wait_for_nothing()
        self.over = True
        self._sink.shutdown(socket.SHUT_WR)
        self._splice.ended()
        return True


def prepare(connection: socket.socket) -> None:
    """Set a connection up: send small pieces at once, and probe for a peer that has vanished.

    A pod that vanishes with its node closes nothing. Without probes its connections would stay for ever.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

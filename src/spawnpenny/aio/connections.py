"""Limits on connections of callers: their number, and how long each may keep the process waiting."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from spawnpenny.aio.unread import Unread

_EVERY: Final = 0.5


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one listener: counts at once, times in seconds.

    At most ``most`` connections are open in all, and ``of_address`` from one address. A connection has ``header``
    seconds for its TLS handshake and again for the header of each request. It may be idle for ``idle`` seconds. It is
    cut when its peer reads too little within ``write`` seconds. ``shared`` says whether many callers use an address, as
    they do that of a proxy: it has no limit of its own then.
    """

    most: int = 5000
    of_address: int = 4000
    header: float = 10.0
    idle: float = 75.0
    write: float = 30.0
    shared: Callable[[str], bool] = lambda _: False


class Connections:
    """The open connections of one listener. ``closed`` counts those that were cut, by the reason.

    When there are too many, the connection that has been idle longest is cut: of the same address if that has too many,
    else of the address with the most idle ones. So a caller that only connects cannot keep out one with a request. When
    descriptors run out and all connections have a request, ``neighbours`` are called to cut one of theirs.
    """

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        self.closed: Counter[str] = Counter()
        self.neighbours: list[Callable[[], bool]] = []
        self._open: set[Connection] = set()
        self._waiting: dict[str, OrderedDict[Connection, None]] = {}
        self._of_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._open))

    def admit(self, address: str) -> str | None:
        """Make room for one more connection; return why there is none, or None."""
        limits = self.limits
        full = self._of_address[address] >= limits.of_address and not limits.shared(address)
        if full and not self.give_way("address", address):
            return "address"
        if len(self._open) >= limits.most and not self.give_way("connections"):
            return "connections"
        return None

    def make_room(self) -> bool:
        """Cut a connection that nobody needs, as descriptors run out; return whether there was one."""
        return self.give_way("descriptors") or any(neighbour() for neighbour in self.neighbours)

    def give_way(self, reason: str, address: str | None = None) -> bool:
        """Cut the connection that has waited longest without a request; return whether there was one."""
        if address is None:
            address = max(self._waiting, key=lambda address: len(self._waiting[address]), default="")
        oldest = next(iter(self._waiting.get(address, ())), None)
        if oldest is None:
            return False
        oldest.cut(reason)
        return True

    def add(self, connection: Connection) -> None:
        """Count a new connection."""
        self._open.add(connection)
        self._of_address[connection.address] += 1
        self.waits(connection)

    def waits(self, connection: Connection) -> None:
        """Note that a connection has no request under way."""
        if connection in self._open:
            self._waiting.setdefault(connection.address, OrderedDict())[connection] = None

    def works(self, connection: Connection) -> None:
        """Note that a connection has a request under way."""
        waiting = self._waiting.get(connection.address)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._waiting[connection.address]

    def remove(self, connection: Connection) -> None:
        """Note that a connection is gone, or about to go."""
        if connection not in self._open:
            return
        self.works(connection)
        self._open.discard(connection)
        self._of_address[connection.address] -= 1
        if not self._of_address[connection.address]:
            del self._of_address[connection.address]

    async def run(self) -> None:
        """Cut the connections that keep the process waiting, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_EVERY)
            now = loop.time()
            for connection in self:
                reason = connection.overdue(now)
                if reason is not None:
                    connection.cut(reason)


class Connection(asyncio.Protocol):
    """One connection: pass everything on to the protocol that serves it, and measure how long each part takes.

    ``begin`` and ``end`` have to be called around each request. ``lost`` is set once the other side is gone.
    """

    transport: asyncio.Transport

    def __init__(self, connections: Connections, inner: asyncio.Protocol, address: str) -> None:
        self.address = address
        self.lost = asyncio.Event()
        self._connections = connections
        self._inner = inner
        self._requests = 0
        self._since = asyncio.get_running_loop().time()
        self._header_started = True  # the first request has to come at once
        self._unread: Unread | None = None

    def begin(self) -> None:
        """Note that the head of a request has arrived; its body may be missing."""
        self._requests += 1
        self._connections.works(self)

    def end(self) -> None:
        """Note that a request is answered."""
        self._requests -= 1
        if not self._requests:
            self._since, self._header_started = asyncio.get_running_loop().time(), False
            self._connections.waits(self)

    def cut(self, reason: str) -> None:
        """End the connection at once."""
        self._connections.closed[reason] += 1
        self._connections.remove(self)
        self.transport.abort()

    def overdue(self, now: float) -> str | None:
        """Return the limit that the connection has exceeded, or None."""
        limits = self._connections.limits
        unread = self._unread.overdue(now, limits.write) if self._unread is not None else None
        if unread is not None:
            return "write" if unread else None
        if self._requests:
            return None
        if self._header_started:
            return "header" if now - self._since > limits.header else None
        return "idle" if now - self._since > limits.idle else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's: there is nothing else in use here
        self.transport, self._unread = transport, Unread(transport)
        self._connections.add(self)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._requests and not self._header_started:
            self._since, self._header_started = asyncio.get_running_loop().time(), True
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        self.lost.set()
        self._inner.connection_lost(exc)

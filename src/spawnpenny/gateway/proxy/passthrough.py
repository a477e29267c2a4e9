"""Passes TLS through to schedulers by the server's name, and never looks inside."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

import structlog

from spawnpenny.gateway.proxy.hello import HelloError, HelloReader
from spawnpenny.gateway.proxy.limits import ProxyLimits
from spawnpenny.gateway.proxy.splice import Side
from spawnpenny.gateway.proxy.table import RouteTable

PREFIX: Final = "daskgateway-"
"""In front of the cluster's name, in the server's name that Dask's clients send."""

_TELL_EVERY: Final = 10.0


class Passthrough:
    """All connections that are passed through. ``visitor`` is what a listener makes of each that comes.

    Whatever is wrong with one, it is closed without a word: Dask's clients try again for 30 s.
    """

    def __init__(self, table: RouteTable, limits: ProxyLimits) -> None:
        self._table = table
        self.limits = limits
        self.log = structlog.get_logger("spawnpenny.proxy")
        self.empty = asyncio.Event()
        self.empty.set()
        self._open: set[Visitor] = set()
        self._greeting: dict[Visitor, None] = {}
        self._of_address: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turned_away = 0
        self._tell_at = 0.0

    def __len__(self) -> int:
        return len(self._open)

    def visitor(self) -> Visitor:
        return Visitor(self)

    def admit(self, visitor: Visitor) -> bool:
        """Count a connection that has just been made; return False where there are too many.

        Of those that have not said where to the oldest gives way: one user has many addresses, and could hold them all,
        but who has something to say says it at once.
        """
        limits = self.limits
        if len(self._open) >= limits.connections or self._of_address[visitor.address] >= limits.of_address:
            self._tell_of_refused(visitor.address)
            return False
        if len(self._greeting) >= limits.greeting:
            self.give_way()
        self._open.add(visitor)
        self.empty.clear()
        self._greeting[visitor] = None
        self._of_address[visitor.address] += 1
        return True

    def give_way(self) -> bool:
        """End the oldest connection that has not said where to; return whether there was one."""
        oldest = next(iter(self._greeting), None)
        if oldest is None:
            return False
        self._tell_of_refused(oldest.address)
        oldest.give_way()
        return True

    def greeted(self, visitor: Visitor) -> None:
        """Say that a connection has told where to, or is gone before."""
        del self._greeting[visitor]
        self._of_address[visitor.address] -= 1
        if not self._of_address[visitor.address]:
            del self._of_address[visitor.address]

    def leave(self, visitor: Visitor) -> None:
        """Say that a connection is gone."""
        self._open.discard(visitor)
        if not self._open:
            self.empty.set()

    def connect(self, visitor: Visitor, name: str, begun: bytes) -> None:
        """Connect a visitor to the scheduler of that name, in the background."""
        task = asyncio.ensure_future(self._connect(visitor, name, begun))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cut all connections."""
        for visitor in tuple(self._open):
            visitor.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _tell_of_refused(self, address: str) -> None:
        """Tell of connections that are too many, and not of each: whoever makes them could fill the log."""
        self._turned_away += 1
        now = asyncio.get_running_loop().time()
        if now >= self._tell_at:
            self.log.warning("too many connections", open=len(self._open), refused=self._turned_away, last=address)
            self._turned_away, self._tell_at = 0, now + _TELL_EVERY

    async def _connect(self, visitor: Visitor, name: str, begun: bytes) -> None:
        refusal: str | None = "it was broken off"
        try:
            refusal = await self._refused(visitor, name, begun)
        finally:
            if refusal:
                self.log.debug("a connection is closed", server_name=name, address=visitor.address, why=refusal)
                visitor.transport.close()

    async def _refused(self, visitor: Visitor, name: str, begun: bytes) -> str | None:
        """Return why there is no connection to a scheduler, or None once there is."""
        limits, cluster = self.limits, name.removeprefix(PREFIX)
        if cluster == name:
            return "the name is not one of a Dask cluster"
        way = await self._table.find(cluster, limits.unknown)
        if way is None:
            return "there is no such cluster"
        if len(way.cuts) >= limits.of_cluster:
            return "the cluster has too many connections"
        way.cuts.add(visitor.cut)
        visitor.on_loss = lambda: way.cuts.discard(visitor.cut)
        if visitor.lost:
            visitor.on_loss()
            return None
        try:
            async with asyncio.timeout(limits.dial):
                _, scheduler = await asyncio.get_running_loop().create_connection(
                    lambda: Side(limits.half), way.route.address, way.route.tls
                )
        except (OSError, TimeoutError) as error:
            return f"its scheduler does not answer ({type(error).__name__})"
        if visitor.transport.is_closing():  # by the visitor, or cut, as the route is gone
            scheduler.transport.abort()
        else:
            visitor.join(scheduler, begun)
        return None


class Visitor(Side):
    """The side of the one who connects, who first has to say where to."""

    def __init__(self, passthrough: Passthrough) -> None:
        super().__init__(passthrough.limits.half)
        self.address = ""
        self.on_loss = _nothing
        self._passthrough = passthrough
        self._hello: HelloReader | None = HelloReader()
        self._begun = bytearray()
        self._admitted = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        self._admitted = self._passthrough.admit(self)
        if not self._admitted:
            self.transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._passthrough.limits.hello, self.transport.abort)
        self.transport.resume_reading()

    def give_way(self) -> None:
        """End, for one that has more to say."""
        self._greeted()
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._hello is None:
            super().data_received(data)
        else:
            self._greet(self._hello, data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._admitted:
            self._greeted()
            self._passthrough.leave(self)
            self.on_loss()

    def _greet(self, hello: HelloReader, data: bytes) -> None:
        self._begun += data
        try:
            name = hello.feed(data)
        except HelloError as error:
            self._passthrough.log.debug("a connection is closed", address=self.address, why=str(error))
            self.transport.close()
            return
        if name is not None:
            self.transport.pause_reading()
            self._greeted()
            self._passthrough.connect(self, name, bytes(self._begun))
            self._begun.clear()

    def _greeted(self) -> None:
        if self._hello is not None:
            self._hello = None
            self._passthrough.greeted(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    """Do nothing."""

"""Pass TLS connections through to schedulers by the server's name, without decrypting them."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Final

import structlog

from spawnpenny_dask_proxy.limits import ProxyLimits
from spawnpenny_dask_proxy.routes import DASK, RouteTable, Way
from spawnpenny_dask_proxy.splice import Splicing
from spawnpenny_dask_proxy.visitor import Visitor

PREFIX: Final = "daskgateway-"
"""The part before the cluster's name in the server's name that Dask's clients send."""

_WARN_EVERY: Final = 10.0


class Passthrough:
    """All connections that are passed through. A listener calls ``take`` with each new one.

    A connection that cannot be passed is closed without an answer: Dask's clients try again for 30 s.
    """

    def __init__(self, table: RouteTable, limits: ProxyLimits) -> None:
        self._table = table
        self.limits = limits
        self.log = structlog.get_logger("spawnpenny.proxy")
        self.splicing = Splicing(limits.half)
        self.empty = asyncio.Event()
        self.empty.set()
        self._open: set[Visitor] = set()
        self._greeting: dict[Visitor, None] = {}
        self._of_address: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused = 0
        self._warn_at = 0.0

    def __len__(self) -> int:
        return len(self._open)

    def take(self, connection: socket.socket, address: str) -> None:
        """Serve a connection, or close it if there are too many."""
        visitor = Visitor(self, connection, address)
        if self._admit(visitor):
            visitor.begin()
        else:
            connection.close()

    def _admit(self, visitor: Visitor) -> bool:
        """Count a new connection; return False if there are too many.

        If too many have not named their cluster, the oldest of them is closed. A user with many addresses could hold
        all of them, but a real client names its cluster at once.
        """
        limits = self.limits
        if len(self._open) >= limits.connections or self._of_address[visitor.address] >= limits.of_address:
            self._warn_of_refused(visitor.address)
            return False
        if len(self._greeting) >= limits.greeting:
            self.give_way()
        self._open.add(visitor)
        self.empty.clear()
        self._greeting[visitor] = None
        self._of_address[visitor.address] += 1
        return True

    def give_way(self) -> bool:
        """Close the oldest connection that has not named its cluster; return whether there was one."""
        oldest = next(iter(self._greeting), None)
        if oldest is None:
            return False
        self._warn_of_refused(oldest.address)
        oldest.cut()
        return True

    def greeted(self, visitor: Visitor) -> None:
        """Note that a connection has named its cluster, or has closed."""
        del self._greeting[visitor]
        self._of_address[visitor.address] -= 1
        if not self._of_address[visitor.address]:
            del self._of_address[visitor.address]

    def leave(self, visitor: Visitor) -> None:
        """Note that a connection has closed."""
        self._open.discard(visitor)
        if not self._open:
            self.empty.set()

    def connect(self, visitor: Visitor, name: str) -> None:
        """Connect a visitor to the scheduler with a server's name."""
        cluster = name.removeprefix(PREFIX)
        way = self._table.get(cluster)
        if cluster == name and (way is None or way.route.kind == DASK):
            self.refuse(visitor, "the name is not one of a Dask cluster", name)
        elif way is not None:
            self._dial(visitor, way, name)
        else:
            task = asyncio.ensure_future(self._wait(visitor, cluster, name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def refuse(self, visitor: Visitor, why: str, name: str = "") -> None:
        """Close a connection, and log why."""
        self.log.debug("a connection is closed", server_name=name, address=visitor.address, why=why)
        visitor.cut()

    async def close(self) -> None:
        """Cut all connections."""
        for visitor in tuple(self._open):
            visitor.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.splicing.pipes.close()

    async def _wait(self, visitor: Visitor, cluster: str, name: str) -> None:
        """Wait for a cluster that may just have been created."""
        way = None
        try:
            way = await self._table.find(cluster, self.limits.unknown)
        finally:
            if way is None:
                self.refuse(visitor, "there is no such cluster", name)
        if way is not None:
            self._dial(visitor, way, name)

    def _dial(self, visitor: Visitor, way: Way, name: str) -> None:
        if way.route.tls is None:
            self.refuse(visitor, "it serves no TLS", name)
        elif len(way.cuts) >= self.limits.of_cluster:
            self.refuse(visitor, "the cluster has too many connections", name)
        else:
            visitor.dial(way, way.route.tls)

    def _warn_of_refused(self, address: str) -> None:
        """Log refused connections now and then only, as a hostile peer could fill the log."""
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now >= self._warn_at:
            self.log.warning("too many connections", open=len(self._open), refused=self._refused, last=address)
            self._refused, self._warn_at = 0, now + _WARN_EVERY

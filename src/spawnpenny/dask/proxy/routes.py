"""The proxy's table of routes to schedulers, as the service sent them last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

MOST_HELD: Final = 512
"""Limit on connections that wait at once for a cluster without a known route."""


@dataclass(frozen=True, slots=True)
class Route:
    """The route to a cluster's scheduler: the pod's uid, address and ports, ``dashboard`` if it has one."""

    cluster: str
    user: str
    uid: str
    address: str
    tls: int
    dashboard: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A route in use. What is called once when it is no more is in ``cuts``."""

    route: Route
    cuts: set[Callable[[], None]] = field(default_factory=set)

    @contextmanager
    def cutting(self, cut: Callable[[], None]) -> Iterator[None]:
        """Register a callback for the end of the route, as long as the context lasts."""
        self.cuts.add(cut)
        try:
            yield
        finally:
            self.cuts.discard(cut)


class RouteTable:
    """The routes, by cluster. ``synced`` is set once the service has sent all of them."""

    def __init__(self) -> None:
        self.synced = asyncio.Event()
        self._ways: dict[str, Way] = {}
        self._held: dict[str, set[asyncio.Future[Way]]] = {}
        self._waiting = 0

    def __len__(self) -> int:
        return len(self._ways)

    def get(self, cluster: str) -> Way | None:
        return self._ways.get(cluster)

    async def find(self, cluster: str, seconds: float) -> Way | None:
        """Return the way to a cluster; wait so many seconds for one that is not known yet."""
        way = self._ways.get(cluster)
        if way is not None or self._waiting >= MOST_HELD:
            return way
        told: asyncio.Future[Way] = asyncio.get_running_loop().create_future()
        self._held.setdefault(cluster, set()).add(told)
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                return await told
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1
            held = self._held[cluster]
            held.discard(told)
            if not held:
                del self._held[cluster]

    def replace(self, routes: Mapping[str, Route]) -> None:
        """Take in all routes that there are."""
        for cluster in self._ways.keys() - routes.keys():
            self.put(cluster, None)
        for cluster, route in routes.items():
            self.put(cluster, route)
        self.synced.set()

    def put(self, cluster: str, route: Route | None) -> None:
        """Take in a change. What goes over a route that is no more, or is another's now, is cut."""
        known = self._ways.get(cluster)
        if known is not None:
            if known.route == route:
                return
            del self._ways[cluster]
            for cut in tuple(known.cuts):
                cut()
        if route is not None:
            way = self._ways[cluster] = Way(route)
            for held in self._held.get(cluster, ()):
                if not held.done():
                    held.set_result(way)

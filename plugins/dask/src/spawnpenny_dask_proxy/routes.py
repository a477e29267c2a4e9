"""The proxy's routes to schedulers: a table, and the feed of the service that fills it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import structlog

from spawnpenny.api import pauses
from spawnpenny.api.serving import ClientError, Connection, Faults
from spawnpenny_dask_proxy.paths import is_inside, is_one_of, is_open

MOST_HELD: Final = 512
"""Connections that may wait at once for a cluster without a known route."""
PATH: Final = "/v1/routes"
DASK: Final = "dask"
"""The kind of Dask clusters: of their dashboards, only distributed's own pages are shown."""
_SILENCE: Final = 45.0
"""Seconds of silence after which a stream counts as dead. The service sends something every 15."""
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_LONGEST: Final = 64 * 1024 * 1024
_PORTS: Final = range(1, 65536)


@dataclass(frozen=True, slots=True)
class Route:
    """The route to a spawn, such as a scheduler: uid, address and ports of its pod.

    Attributes:
        cluster: The name here.
        user: The user, who alone may see the dashboard.
        uid: The uid of the pod.
        address: The address of the pod.
        tls: The port for TLS; None without one.
        dashboard: The port of the dashboard; None without one.
        kind: The kind of the spawn.
        ticket: The path of the service at which tickets are used up.
        paths: The paths of the dashboard that are shown; None: for Dask clusters distributed's own pages, else all.
        scripted: Whether its pages read their own dashboard, and need a storage.
        headers: The path of the service that has the headers for requests to the dashboard; None: there are none.

    """

    cluster: str
    user: str
    uid: str
    address: str
    tls: int | None
    dashboard: int | None = None
    kind: str = DASK
    ticket: str = ""
    paths: re.Pattern[str] | None = None
    scripted: bool = False
    headers: str | None = None

    def shows(self, path: str, *, websocket: bool = False) -> bool:
        """Return whether a path of the dashboard, as sent and with its first slash, is shown."""
        if self.paths is not None:
            return not websocket and is_one_of(path, self.paths)
        return is_open(path, websocket=websocket) if self.kind == DASK else is_inside(path)


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A route in use. The callbacks in ``cuts`` are called once when the route ends.

    ``headers`` are those for requests to the dashboard, as far as they are known: secret, and dropped with the route.
    """

    route: Route
    cuts: set[Callable[[], None]] = field(default_factory=set)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @contextmanager
    def cutting(self, cut: Callable[[], None]) -> Iterator[None]:
        """Register a callback for the end of the route, within the context."""
        self.cuts.add(cut)
        try:
            yield
        finally:
            self.cuts.discard(cut)


class RouteTable:
    """The routes by cluster. ``synced`` is set once the service has sent all of them."""

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
        """Return the way to a cluster; wait so many seconds for a route that is not known yet."""
        way = self._ways.get(cluster)
        if way is not None or self._waiting >= MOST_HELD:
            return way
        known: asyncio.Future[Way] = asyncio.get_running_loop().create_future()
        self._held.setdefault(cluster, set()).add(known)
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                return await known
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1
            held = self._held[cluster]
            held.discard(known)
            if not held:
                del self._held[cluster]

    def replace(self, routes: Mapping[str, Route]) -> None:
        """Replace all routes."""
        for cluster in self._ways.keys() - routes.keys():
            self.put(cluster, None)
        for cluster, route in routes.items():
            self.put(cluster, route)
        self.synced.set()

    def put(self, cluster: str, route: Route | None) -> None:
        """Change the route of a cluster, or remove it. Connections over the former route are cut."""
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


class FeedError(Exception):
    """The service sent a message that the proxy cannot read."""


class Feed:
    """Fills the table from the service's stream. While the service is away, the table stays as it is.

    ``heard`` is the time of the service's last bytes, by the clock of the loop; None before the first ones.
    """

    def __init__(self, table: RouteTable, connection: Connection) -> None:
        self._table = table
        self._connection = connection
        self._log = structlog.get_logger("spawnpenny.proxy")
        self._faults = Faults()
        self._reported = ""
        self.heard: float | None = None

    def silence(self) -> float:
        """Return the seconds since the service's last bytes; infinite before the first ones."""
        return float("inf") if self.heard is None else asyncio.get_running_loop().time() - self.heard

    async def run(self) -> None:
        waits = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            began = self.heard
            try:
                await self._follow()
                why = "the stream ended"
            except (ClientError, FeedError) as error:
                why = str(error)
            if self.heard != began:
                waits = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
            if why != self._reported:  # once, and not at each attempt
                self._reported = why
                self._log.warning("the service sends no routes", error=why, known=len(self._table))
            await asyncio.sleep(next(waits))

    async def _follow(self) -> None:
        silence = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_SILENCE)
        async with (
            self._connection.send("GET", PATH, timeout=silence) as response,
            aclosing(self._events(response)) as events,
        ):
            async for kind, data in events:
                self._take(kind, data)

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncGenerator[tuple[str, str]]:
        kind, data = "", list[str]()
        async with aclosing(self._split(response)) as stream:
            async for line in stream:
                if line.startswith("event:"):
                    kind = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    data.append(line.removeprefix("data:").removeprefix(" "))
                elif not line and data:
                    yield kind, "\n".join(data)
                    kind, data = "", []

    async def _split(self, response: aiohttp.ClientResponse) -> AsyncGenerator[str]:
        """Yield the lines of a stream, of any length: one line has all routes of an installation."""
        unfinished = bytearray()
        async for chunk in response.content.iter_any():
            self.heard = asyncio.get_running_loop().time()
            unfinished += chunk
            if b"\n" in chunk:
                *whole, rest = bytes(unfinished).split(b"\n")
                unfinished = bytearray(rest)
                for line in whole:
                    yield line.decode(errors="replace").rstrip("\r")
            if len(unfinished) > _LONGEST:
                raise FeedError("a line of the stream is too long")

    def _take(self, kind: str, data: str) -> None:
        try:
            answer = json.loads(data)
            if kind == "routes":
                self._table.replace(self._routes(answer))
                self._reported = ""
                self._log.info("the routes are known", clusters=len(self._table))
            elif kind == "route":
                cluster, route = str(answer["cluster"]), answer["route"]
                known = {} if route is None else self._routes({cluster: route})
                self._table.put(cluster, known.get(cluster))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FeedError(f"the stream does not come from spawnpenny ({type(error).__name__})") from None

    def _routes(self, answer: Mapping[str, Mapping[str, Any]]) -> dict[str, Route]:
        """Return the routes that can be read. An unreadable one harms no other cluster."""
        routes: dict[str, Route] = {}
        for cluster, route in answer.items():
            with self._faults.isolated("route", cluster):
                routes[cluster] = _route(cluster, route)
        return routes


def _route(cluster: str, answer: Mapping[str, Any]) -> Route:
    tls, dashboard = answer["tls"], answer["dashboard"]
    if (tls, dashboard) == (None, None) or any(port is not None and port not in _PORTS for port in (tls, dashboard)):
        raise ValueError("no port")
    address = str(ip_address(answer["address"]))  # never a name: only pods are connected to
    user, kind = str(answer["user"]), str(answer.get("kind", DASK))
    ticket = answer.get("ticket") or f"/v1/users/{quote(user, safe='')}/dask/{quote(cluster, safe='')}/ticket"
    paths, headers = answer.get("paths"), answer.get("headers")
    if not all(str(path).startswith("/v1/users/") for path in (ticket, headers) if path is not None):
        raise ValueError("no path for tickets or headers")
    return Route(
        cluster,
        user,
        str(answer["uid"]),
        address,
        tls,
        dashboard,
        kind,
        str(ticket),
        paths=None if paths is None else re.compile(str(paths), re.ASCII),
        scripted=bool(answer.get("scripted")),
        headers=None if headers is None else str(headers),
    )

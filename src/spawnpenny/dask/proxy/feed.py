"""Fill the table of routes from the service's stream, which is opened again whenever it breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from ipaddress import ip_address
from typing import Any, Final

import aiohttp
import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.aio.faults import Faults
from spawnpenny.clients.connection import Connection
from spawnpenny.clients.errors import ClientError
from spawnpenny.dask.proxy.routes import Route, RouteTable

PATH: Final = "/v1/routes"
_SILENCE: Final = 45.0
"""Seconds without a word after which a stream is taken for dead; the service says something every 15."""
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_LONGEST: Final = 64 * 1024 * 1024
_PORTS: Final = range(1, 65536)


class FeedError(Exception):
    """The service sent a message that the proxy cannot read."""


class Feed:
    """Follows the service until cancelled. While that is away, the table stays as it is.

    ``heard`` is when the service last said something, by the clock of the loop; None before the first time.
    """

    def __init__(self, table: RouteTable, connection: Connection) -> None:
        self._table = table
        self._connection = connection
        self._log = structlog.get_logger("spawnpenny.proxy")
        self._faults = Faults()
        self._told = ""
        self.heard: float | None = None

    def silence(self) -> float:
        """Return the seconds since the service last said something; infinite before the first time."""
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
            if why != self._told:  # once, and not for each try
                self._told = why
                self._log.warning("the service tells of no routes", error=why, known=len(self._table))
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
        async with aclosing(self._lines(response)) as lines:
            async for line in lines:
                if line.startswith("event:"):
                    kind = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    data.append(line.removeprefix("data:").removeprefix(" "))
                elif not line and data:
                    yield kind, "\n".join(data)
                    kind, data = "", []

    async def _lines(self, response: aiohttp.ClientResponse) -> AsyncGenerator[str]:
        """Yield lines, of any length: the routes of a large installation are in one."""
        begun = bytearray()
        async for chunk in response.content.iter_any():
            self.heard = asyncio.get_running_loop().time()
            begun += chunk
            if b"\n" in chunk:
                *whole, rest = bytes(begun).split(b"\n")
                begun = bytearray(rest)
                for line in whole:
                    yield line.decode(errors="replace").rstrip("\r")
            if len(begun) > _LONGEST:
                raise FeedError("a line of the stream is too long")

    def _take(self, kind: str, data: str) -> None:
        try:
            answer = json.loads(data)
            if kind == "routes":
                self._table.replace(self._routes(answer))
                self._told = ""
                self._log.info("the routes are known", clusters=len(self._table))
            elif kind == "route":
                cluster, route = str(answer["cluster"]), answer["route"]
                known = {} if route is None else self._routes({cluster: route})
                self._table.put(cluster, known.get(cluster))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FeedError(f"the stream is not one of spawnpenny ({type(error).__name__})") from None

    def _routes(self, told: Mapping[str, Mapping[str, Any]]) -> dict[str, Route]:
        """Return the routes that can be understood: one that cannot harms no other cluster."""
        routes: dict[str, Route] = {}
        for cluster, route in told.items():
            with self._faults.isolated("route", cluster):
                routes[cluster] = _route(cluster, route)
        return routes


def _route(cluster: str, told: Mapping[str, Any]) -> Route:
    tls, dashboard = told["tls"], told["dashboard"]
    if tls not in _PORTS or (dashboard is not None and dashboard not in _PORTS):
        raise ValueError("no port")
    address = str(ip_address(told["address"]))  # never a name: what is connected to is a pod
    return Route(cluster, str(told["user"]), str(told["uid"]), address, tls, dashboard)

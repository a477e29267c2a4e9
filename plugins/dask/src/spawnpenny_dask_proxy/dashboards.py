"""Dashboards of all clusters, at an origin of their own: ``/clusters/<cluster>/<ticket or capability>/…``.

A form redeems the ticket of a link, and redirects to an address with a capability. A cookie lets the same browser open
the link again.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from spawnpenny.api.serving import ClientError, Connection, ProblemError
from spawnpenny_dask_proxy.capability import Capabilities, is_capability
from spawnpenny_dask_proxy.forwarding import forward, join_websockets, target
from spawnpenny_dask_proxy.limits import ProxyLimits
from spawnpenny_dask_proxy.pages import notice, ticket_page
from spawnpenny_dask_proxy.paths import is_open
from spawnpenny_dask_proxy.routes import DASK, Feed, RouteTable, Way
from spawnpenny_dask_proxy.upstream_headers import HeadersError, UpstreamHeaders

LASTS: Final = 12 * 3600
"""Seconds for which a capability opens its dashboard."""
COOKIE: Final = "spawnpenny-dashboard"
"""The cookie by which the browser that used a ticket opens its link again, and nothing else."""
REMEMBERED: Final = 7 * 24 * 3600
"""Seconds for which a link opens again in the browser that opened it, as long as the scheduler is the same."""
_REDEEMING: Final = 32
_PATH: Final = r"/clusters/(?P<cluster>[a-z0-9-]{1,63})/(?P<right>[A-Za-z0-9._~-]{1,128})(?P<rest>/.*)?"
_ABSENT: Final = (HTTPStatus.NOT_FOUND, "Nothing is at this address", "Ask your Dask cluster for its dashboard link.")
_WORKERS: Final = (
    HTTPStatus.NOT_FOUND,
    "A worker's own dashboard is not shown",
    "Only the scheduler's own pages are shown. Its page Workers, and the pages below Info, show what workers do.",
)
_ENDED: Final = (
    HTTPStatus.NOT_FOUND,
    "This cluster does not run",
    (
        "It has ended, or does not run yet. For a running Dask cluster, cluster.dashboard_link in a notebook is a new "
        "link; for other kinds `spawnpenny KIND dashboard NAME` prints one."
    ),
)
_SPENT: Final = (
    HTTPStatus.FORBIDDEN,
    "This link is used up",
    (
        "Only the browser that opens a link first can open it again. A restart of the service ends the links that "
        "nobody has opened. In a notebook, cluster.gateway.get_cluster(cluster.name).dashboard_link is a new link; "
        "for a SpawnpennyCluster it is cluster.dashboard_link. For other kinds, "
        "`spawnpenny KIND dashboard NAME` prints one."
    ),
)
_LATER: Final = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "One moment",
    "The service cannot say now whether this is open to you. Load the page again.",
)
_BUSY: Final = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "One moment",
    "Too many pages of your dashboards are open. Close some, and load the page again.",
)


class Dashboards:
    """The dashboards, as browsers see them. Websockets end once ``closing`` is set."""

    def __init__(
        self, table: RouteTable, feed: Feed, service: Connection, token: str, limits: ProxyLimits, *, public: str = ""
    ) -> None:
        self._table = table
        self._feed = feed
        self._service = service
        self._headers = UpstreamHeaders(service)
        self._capabilities = Capabilities(token)
        self._limits = limits
        self._public = URL(public)
        # A proxy in front may strip the prefix of the public address, or keep it.
        self._path = re.compile(f"(?:{re.escape(self._prefix)})?{_PATH}", re.ASCII)
        self._requests, self._sockets = _Users(), _Users()
        self._redeeming = asyncio.Semaphore(_REDEEMING)
        self.closing = asyncio.Event()

    async def answer(self, request: web.Request, session: aiohttp.ClientSession) -> web.StreamResponse:
        """Answer a request for a path of a dashboard. The session is the one for requests to dashboards."""
        found = self._path.fullmatch(request.rel_url.raw_path)
        rest = (found and found["rest"]) or ""
        if found is None or not _is_shown(self._table.get(found["cluster"]), rest, websocket=_is_websocket(request)):
            return notice(*(_WORKERS if rest.startswith("/proxy/") else _ABSENT))
        way = await self._table.find(found["cluster"], self._limits.unknown)
        if way is None or way.route.dashboard is None:
            return notice(*(_ENDED if self._table.synced.is_set() else _LATER))
        if self._feed.silence() > (self._limits.fresh_with_headers if way.route.headers else self._limits.fresh):
            return notice(*_LATER)
        if is_capability(found["right"]):
            return await self._show(request, session, way, found["right"], rest)
        return await self._open(request, way, found["right"], rest)

    @property
    def _prefix(self) -> str:
        return self._public.raw_path.rstrip("/")

    async def _open(self, request: web.Request, way: Way, ticket: str, rest: str) -> web.Response:
        """Open a link: by the cookie of the browser that opened it before, or by its ticket."""
        kept, route = request.cookies.get(COOKIE, ""), way.route
        if self._capabilities.remembers(kept, route.cluster, route.uid, ticket, time.time()):
            return self._redirect(way, rest)
        return await self._redeem(way, ticket, rest) if request.method == "POST" else ticket_page()

    async def _redeem(self, way: Way, ticket: str, rest: str) -> web.Response:
        route = way.route
        try:
            async with self._redeeming:
                answer = await self._service.ask("POST", route.ticket, body={"ticket": ticket}, repeatable=False)
        except ProblemError as error:
            return notice(*(_SPENT if error.status == HTTPStatus.NOT_FOUND else self._later(error)))
        except ClientError as error:
            return notice(*self._later(error))
        if answer is None or answer.get("uid") != route.uid:
            return notice(*_SPENT)
        response, until = self._redirect(way, rest), int(time.time()) + REMEMBERED
        response.set_cookie(
            COOKIE,
            self._capabilities.remember(route.cluster, route.uid, ticket, until),
            max_age=REMEMBERED,
            path=f"{self._prefix}/clusters/{route.cluster}/{ticket}",
            secure=self._public.scheme == "https",
            httponly=True,
            samesite="Lax",  # users follow links to it from pages of other sites
        )
        return response

    def _redirect(self, way: Way, rest: str) -> web.Response:
        """Redirect a browser to the dashboard, with a new capability."""
        right = self._capabilities.make(way.route.cluster, way.route.uid, int(time.time()) + LASTS)
        # The path is relative, which keeps a prefix that a proxy in front strips.
        where = f"{'../' * rest.count('/')}{right}{rest if rest.strip('/') else f'/{_home(way)}'}"
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": where, "Referrer-Policy": "no-referrer"})

    def _later(self, error: ClientError) -> tuple[int, str, str]:
        structlog.get_logger("spawnpenny.proxy").warning("a ticket cannot be redeemed", error=str(error))
        return _LATER

    async def _show(
        self, request: web.Request, session: aiohttp.ClientSession, way: Way, right: str, rest: str
    ) -> web.StreamResponse:
        until = self._capabilities.until(right, way.route.cluster, way.route.uid)
        left = 0.0 if until is None else until - time.time()
        if left <= 0:
            return notice(*_SPENT)
        if not rest.strip("/") and (where := f"{'' if rest else f'{right}/'}{_home(way)}"):
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": where})
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        return await self._pass_on(request, session, way, target(way, rest, request.rel_url.raw_query_string), left)

    async def _pass_on(
        self, request: web.Request, session: aiohttp.ClientSession, way: Way, url: URL, left: float
    ) -> web.StreamResponse:
        """Forward a request to the dashboard for at most ``left`` seconds, unless its user has too many open."""
        limits, user = self._limits, way.route.user
        if _is_websocket(request):
            if not self._sockets.has_room(user, limits.sockets, limits.all_sockets):
                return notice(*_BUSY)
            with self._sockets.counted(user):
                return await join_websockets(request, session, url, way=way, closing=self.closing, seconds=left)
        if not self._requests.has_room(user, limits.requests, limits.dashboards):
            return notice(*_BUSY)
        with self._requests.counted(user):
            try:
                added = await self._headers.of(way)
            except (HeadersError, ClientError) as error:
                structlog.get_logger("spawnpenny.proxy").warning("a dashboard cannot be opened", error=str(error))
                return notice(*_LATER)
            response = await forward(request, session, url, way, added)
            self._headers.note(way, response.status)
            return response


def _is_shown(way: Way | None, rest: str, *, websocket: bool) -> bool:
    """Return whether a path of a dashboard is shown: of a Dask cluster's, or one that is not known, only some are."""
    return is_open(rest, websocket=websocket) if way is None else way.route.shows(rest, websocket=websocket)


def _home(way: Way) -> str:
    """Return the first page of a dashboard."""
    return "status" if way.route.kind == DASK else ""


def _is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").strip().lower() == "websocket"


class _Users:
    """The number of open requests and websockets of each user."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def has_room(self, user: str, most: int, most_in_all: int) -> bool:
        return self._open[user] < most and self._open.total() < most_in_all

    @contextmanager
    def counted(self, user: str) -> Iterator[None]:
        self._open[user] += 1
        try:
            yield
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]

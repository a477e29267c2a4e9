"""Forward requests to a dashboard, a user's own program: it gets no other credentials, and sets none.

Of headers only those that are named here pass, either way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import SimpleNamespace
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from spawnpenny.aio.race import until_first
from spawnpenny.dask.proxy.pages import notice
from spawnpenny.dask.proxy.paths import is_open
from spawnpenny.dask.proxy.routes import Way

SANDBOX: Final = {
    # No allow-same-origin: the page is of no origin, so it has no cookies and no storage, and reads nothing of others.
    "Content-Security-Policy": "sandbox allow-scripts allow-forms allow-popups; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address is the right to look at it
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
_ASKED: Final = ("Accept", "Accept-Encoding", "Accept-Language", "If-Modified-Since", "If-None-Match")
_ANSWERED: Final = ("Content-Type", "Content-Encoding", "Content-Length", "ETag", "Last-Modified", "Vary")
_CONNECT: Final = 5.0
_SILENCE: Final = 60.0
_LONGEST: Final = 600.0
_LARGEST: Final = 256 * 1024 * 1024
_HEARTBEAT: Final = 30.0
_LARGEST_DOWN: Final = 4 * 1024 * 1024
_LARGEST_UP: Final = 256 * 1024
"""Of a websocket's messages: one of a large cluster's dashboard has some hundred KiB."""
_UNSENT: Final = frozenset({1005, 1006, 1015})
"""What stands for a websocket's end without a code: never sent."""
_BROKEN: Final = (
    HTTPStatus.BAD_GATEWAY,
    "The dashboard does not answer",
    "The scheduler of this Dask cluster may be busy, or has just ended. Load the page again in a moment.",
)
_ELSEWHERE: Final = (
    HTTPStatus.BAD_GATEWAY,
    "The dashboard leads elsewhere",
    "What runs in the place of this dashboard wants to send you to another address, and dashboards may not.",
)


@asynccontextmanager
async def upstream_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open what dashboards are asked with: nothing that one answers is kept for the next request, and none leads on."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_stay)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        trace_configs=[tracing],
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE),
    ) as session:
        yield session


async def _stay(
    session: aiohttp.ClientSession, context: SimpleNamespace, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    """Refuse redirects: a websocket's handshake follows them, and has no switch for that."""
    del session, context
    redirect.response.close()
    raise aiohttp.ClientError("a dashboard leads elsewhere")


def target(way: Way, path: str, query: str) -> URL:
    """Return the URL for a path, as it came: always at the address of the route."""
    host = f"[{way.route.address}]" if ":" in way.route.address else way.route.address
    return URL(f"http://{host}:{way.route.dashboard}{path}{'?' if query else ''}{query}", encoded=True)


async def forward(request: web.Request, session: aiohttp.ClientSession, url: URL) -> web.StreamResponse:
    """Ask a dashboard, and hand its answer on as it comes; it may lead to another page of its own."""
    headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
    response = web.StreamResponse()
    try:
        async with (
            asyncio.timeout(_LONGEST),
            session.request(request.method, url, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
            if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST and status != HTTPStatus.NOT_MODIFIED:
                return _led(url, answer.headers.get("Location", ""))
            if not _is_content(answer):
                return notice(*_BROKEN)
            response.set_status(status)
            response.headers.update({name: answer.headers[name] for name in _ANSWERED if name in answer.headers})
            response.headers.update(SANDBOX)
            await response.prepare(request)
            await _copy(answer, response)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        if not response.prepared:
            return notice(*_BROKEN)
        if request.transport is not None:
            request.transport.abort()  # half an answer: its reader has to see that it broke
    return response


def _led(url: URL, location: str) -> web.StreamResponse:
    """Lead the browser to where a dashboard leads, where that is one of its pages: by a path from here."""
    try:
        wanted = url.join(URL(location))
    except ValueError:
        return notice(*_ELSEWHERE)
    path = wanted.raw_path
    if not location or wanted.origin() != url.origin() or not is_open(path) or path.startswith("//"):
        return notice(*_ELSEWHERE)
    query = f"?{wanted.raw_query_string}" if wanted.raw_query_string else ""
    where = f"./{'../' * (url.raw_path.count('/') - 1)}{path.removeprefix('/')}{query}"
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**SANDBOX, "Location": where})


def _is_content(answer: aiohttp.ClientResponse) -> bool:
    """Return whether an answer is one to a request for content, and no more than that.

    After a 101 a proxy in front may treat the connection as another protocol's, and pass bytes on unchecked. The parts
    of a multipart answer have headers of their own, of which browsers have taken Set-Cookie.
    """
    known = HTTPStatus.OK <= answer.status < 600  # noqa: PLR2004 - past the last class of statuses
    return known and "multipart/" not in answer.headers.get("Content-Type", "").lower()


async def _copy(answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
    left = _LARGEST
    async for chunk in answer.content.iter_any():
        left -= len(chunk)
        if left < 0:
            raise ValueError("the answer is too large")
        await response.write(chunk)
    await response.write_eof()


async def relay(
    request: web.Request, session: aiohttp.ClientSession, url: URL, *, way: Way, closing: asyncio.Event, seconds: float
) -> web.StreamResponse:
    """Join a websocket to the dashboard's, until either ends, the route or we go, or so many seconds are over.

    The dashboard chooses among the sub-protocols that the browser offers; bokeh's are ``bokeh`` and a token. It gets
    no Origin, as a sandboxed page has none: the capability in the address is the right to connect.
    """
    offered = [each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if each.strip()]
    try:
        async with asyncio.timeout(_CONNECT + _SILENCE):
            upstream = await session.ws_connect(
                url, protocols=offered, heartbeat=_HEARTBEAT, max_msg_size=_LARGEST_DOWN, timeout=_closing()
            )
    except (aiohttp.ClientError, TimeoutError, OSError):
        return notice(*_BROKEN)
    socket = web.WebSocketResponse(
        protocols=(upstream.protocol,) if upstream.protocol else (),
        heartbeat=_HEARTBEAT,
        max_msg_size=_LARGEST_UP,
        compress=False,
        timeout=_CONNECT,
    )
    gone = asyncio.Event()
    async with upstream:
        await socket.prepare(request)
        with way.cutting(gone.set):
            await until_first(
                _pump(socket, upstream), _pump(upstream, socket), gone.wait(), closing.wait(), seconds=seconds
            )
        code = upstream.close_code
        await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY if code is None or code in _UNSENT else code)
    return socket


def _closing() -> aiohttp.ClientWSTimeout:
    return aiohttp.ClientWSTimeout(ws_close=_CONNECT)


_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _pump(source: _Socket, drain: _Socket) -> None:
    async for message in source:
        if message.type is aiohttp.WSMsgType.TEXT:
            await drain.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await drain.send_bytes(message.data)

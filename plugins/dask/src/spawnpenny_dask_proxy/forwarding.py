"""Forward requests to a dashboard, a program of a user: it gets no credentials of a browser, and sets none.

Only the headers that are named here pass, in either direction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import SimpleNamespace
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from spawnpenny.api.serving import until_first
from spawnpenny_dask_proxy.pages import notice
from spawnpenny_dask_proxy.routes import Way
from spawnpenny_dask_proxy.scripted_pages import READABLE, is_page, read_page

SANDBOX: Final = {
    # No allow-same-origin: the page has no origin, so no cookies and no storage, and reads nothing of other pages.
    "Content-Security-Policy": "sandbox allow-scripts allow-forms allow-popups; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address has the capability
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
_REQUEST_HEADERS: Final = ("Accept", "Accept-Encoding", "Accept-Language", "If-Modified-Since", "If-None-Match")
_ANSWER_HEADERS: Final = ("Content-Type", "Content-Encoding", "Content-Length", "ETag", "Last-Modified", "Vary")
_CONNECT: Final = 5.0
_SILENCE: Final = 60.0
_LONGEST: Final = 600.0
_LARGEST: Final = 256 * 1024 * 1024
_HEARTBEAT: Final = 30.0
_LARGEST_DOWN: Final = 4 * 1024 * 1024
_LARGEST_UP: Final = 256 * 1024
"""Bytes of one websocket message. One of a large cluster's dashboard has some hundred KiB."""
_UNSENT: Final = frozenset({1005, 1006, 1015})
"""Codes for the end of a websocket without a code. They may not be sent."""
_BROKEN: Final = (
    HTTPStatus.BAD_GATEWAY,
    "The dashboard does not answer",
    "The program behind this dashboard may be busy, or has just ended. Load the page again in a moment.",
)
_ELSEWHERE: Final = (
    HTTPStatus.BAD_GATEWAY,
    "The dashboard redirects elsewhere",
    "The program behind this dashboard tried to redirect you to another address, which dashboards may not do.",
)


@asynccontextmanager
async def upstream_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open the session for requests to dashboards. It keeps no cookies, and follows no redirects."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_refuse_redirect)
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


async def _refuse_redirect(
    session: aiohttp.ClientSession, context: SimpleNamespace, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    """Refuse redirects: aiohttp's handshake of websockets follows them, and has no switch for that."""
    del session, context
    redirect.response.close()
    raise aiohttp.ClientError("a dashboard redirects elsewhere")


def target(way: Way, path: str, query: str) -> URL:
    """Return the URL of a path, unchanged, at the address of the route."""
    host = f"[{way.route.address}]" if ":" in way.route.address else way.route.address
    return URL(f"http://{host}:{way.route.dashboard}{path}{'?' if query else ''}{query}", encoded=True)


async def forward(
    request: web.Request, session: aiohttp.ClientSession, url: URL, way: Way, added: Mapping[str, str]
) -> web.StreamResponse:
    """Forward a request to a dashboard, and its answer as it comes. It may redirect to another page of its own.

    ``added`` are further headers of the request, which the dashboard alone sees.
    """
    headers = {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
    scripted = way.route.scripted
    if scripted and "text/html" in headers.get("Accept", ""):
        headers.pop("Accept-Encoding", None)  # a page is changed, which needs it as it is
    headers |= added
    response = web.StreamResponse()
    try:
        async with (
            asyncio.timeout(_LONGEST),
            session.request(request.method, url, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
            if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST and status != HTTPStatus.NOT_MODIFIED:
                return _redirected(way, url, answer.headers.get("Location", ""))
            if not _is_content(answer):
                return notice(*_BROKEN)
            more = {**SANDBOX, **(READABLE if scripted else {})}
            if scripted and is_page(answer):
                content = {"Content-Type": answer.headers["Content-Type"]}
                return web.Response(body=await read_page(answer), headers={**content, **more})
            response.set_status(status)
            response.headers.update({name: answer.headers[name] for name in _ANSWER_HEADERS if name in answer.headers})
            response.headers.update(more)
            await response.prepare(request)
            await _copy(answer, response)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        if not response.prepared:
            return notice(*_BROKEN)
        if request.transport is not None:
            request.transport.abort()  # the browser has to see that the answer is incomplete
    return response


def _redirected(way: Way, url: URL, location: str) -> web.StreamResponse:
    """Redirect the browser where a dashboard redirects, by a relative path, if that is one of its own pages."""
    try:
        destination = url.join(URL(location))
    except ValueError:
        return notice(*_ELSEWHERE)
    path = destination.raw_path
    if not location or destination.origin() != url.origin() or not way.route.shows(path) or path.startswith("//"):
        return notice(*_ELSEWHERE)
    query = f"?{destination.raw_query_string}" if destination.raw_query_string else ""
    where = f"./{'../' * (url.raw_path.count('/') - 1)}{path.removeprefix('/')}{query}"
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**SANDBOX, "Location": where})


def _is_content(answer: aiohttp.ClientResponse) -> bool:
    """Return whether an answer is plain content.

    After a 101, a proxy in front may treat the connection as another protocol, and pass bytes unchecked. The parts of
    a multipart answer have headers of their own, and some browsers have accepted Set-Cookie among them.
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


async def join_websockets(
    request: web.Request, session: aiohttp.ClientSession, url: URL, *, way: Way, closing: asyncio.Event, seconds: float
) -> web.StreamResponse:
    """Join the websockets of a browser and a dashboard, until one ends, the route ends, we close, or time is over.

    The dashboard chooses among the browser's sub-protocols; bokeh's are ``bokeh`` and a token. The handshake has no
    Origin, as a sandboxed page has none: the capability in the address grants the connection.
    """
    offered = [
        protocol.strip()
        for protocol in request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        if protocol.strip()
    ]
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

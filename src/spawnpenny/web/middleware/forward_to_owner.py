"""Forward a request to the replica that owns its user, and stream the answer back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import aiohttp
import structlog
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from spawnpenny.domain.names import safe_slug
from spawnpenny.replicas.errors import ElsewhereError, ReplicaFencedError
from spawnpenny.serving.client_address import FORWARDING, forwarded
from spawnpenny.serving.prefix import outer_path
from spawnpenny.tls import client_context
from spawnpenny.web.app_keys import CLOSING, SERVICE
from spawnpenny.web.request_context import HEADER, request_context
from spawnpenny.web.request_parsing import read_body, subject_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from spawnpenny.settings.model import Settings

FORWARDED_BY: Final = "X-Spawnpenny-Relayed"
"""The replica that forwarded a request. No request is forwarded twice: replicas may disagree on the owner of a user."""
_SESSION: Final = web.AppKey("PEER_SESSION", aiohttp.ClientSession)
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_WITH_BODY: Final = frozenset({"PUT", "POST", "PATCH"})
_CONNECT: Final = 3.0
_SILENCE: Final = 120.0  # seconds: longer than any ?wait=, and event streams send a ping every 15
_OF_CONNECTION: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
        *("host", "content-length", "content-encoding"),  # the body is sent again as it was read
    }
)
_DROPPED: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server", "set-cookie"}
)


@asynccontextmanager
async def peer_session(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    """Keep a session for connections to other replicas while the application runs.

    Raises:
        SettingsError: The file with the authorities of their certificates cannot be read.

    """
    limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)
    connector = aiohttp.TCPConnector(limit=0, ssl=client_context("web.authority", settings.web.authority) or True)
    async with aiohttp.ClientSession(
        connector=connector, timeout=limits, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as session:
        app[_SESSION] = session
        yield


@web.middleware
async def forward_to_owner(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Forward a request to the replica that owns its user. This runs inside ``authorize``, so the caller is known."""
    try:
        _leave_to_another(request)
        await _check_known(request)
        return await handler(request)
    except ElsewhereError as error:
        if error.address is None or FORWARDED_BY in request.headers:
            raise
        return await _forward(request, error.address)
    except ReplicaFencedError:  # it may be done or not: the same request again is safe
        address = _other_replica(request)
        if address is None:
            raise
        return await _forward(request, address)


def _leave_to_another(request: web.Request) -> None:
    """Leave a request that changes something to another replica while this one may not write.

    Raises:
        ElsewhereError: This replica may not write, and another one is alive.

    """
    if request.method in _READING or request.app[SERVICE].membership.heartbeat.fence.is_open:
        return
    if (address := _other_replica(request)) is not None:
        raise ElsewhereError(address)


def _other_replica(request: web.Request) -> str | None:
    """Return the address of a replica that can stand in for this one; None without one, or after a forward."""
    username, service = subject_of(request), request.app[SERVICE]
    if username is None or FORWARDED_BY in request.headers or not service.spawns.ready:
        return None
    return service.membership.ownership.stand_in(safe_slug(username))


async def _check_known(request: web.Request) -> None:
    """Check that a user who is unknown here is unknown everywhere. A start checks it by itself, before it writes."""
    username = subject_of(request)
    if request.method != "PUT" and username is not None and FORWARDED_BY not in request.headers:
        await request.app[SERVICE].spawns.look_for(username)


async def _forward(request: web.Request, address: str) -> web.StreamResponse:
    service = request.app[SERVICE]
    headers = _headers(request)
    # Bodies that the route does not take are not waited for: they could use up the requests that stop something.
    body = await read_body(request) if request.method in _WITH_BODY and request.body_exists else None
    url = URL(f"{address}{outer_path(request)}", encoded=True)
    response = web.StreamResponse()
    try:
        async with request.app[_SESSION].request(
            request.method,
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            server_hostname=service.settings.replicas.certificate_name,
        ) as answer:
            await _stream_back(request, answer, response)
    except (aiohttp.ClientError, OSError) as error:
        log = structlog.get_logger("spawnpenny.forward")
        log.warning("another replica does not answer", address=address, error=type(error).__name__)
        if not response.prepared:
            raise ElsewhereError(None) from None
        if request.transport is not None:
            request.transport.abort()  # the caller has to see that the answer is incomplete
    return response


def _headers(request: web.Request) -> CIMultiDict[str]:
    """Return the headers of a forwarded request: the caller's, as authenticators may read any, and our own."""
    service, context = request.app[SERVICE], request_context(request)
    named = {name.strip().lower() for value in request.headers.getall("Connection", []) for name in value.split(",")}
    headers = CIMultiDict(
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in _OF_CONNECTION | named and _is_text(value)
    )
    if context.authorization is not None:
        headers["Authorization"] = context.authorization  # a cookie of this replica may stand for it
    headers[FORWARDED_BY], headers[HEADER] = service.membership.me.identity, context.id
    for name in FORWARDING:
        headers.popall(name, None)
    if context.remote is not None:
        headers.update(forwarded(service.settings.web.forwarded_header, context.remote))
    return headers


def _is_text(value: str) -> bool:
    """Return whether the value of a header can be sent again: bytes that are not UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _stream_back(request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
    response.set_status(answer.status)
    for name, value in answer.headers.items():
        if name.lower() not in _DROPPED:
            response.headers[name] = value
    await response.prepare(request)
    copying = asyncio.ensure_future(_copy(answer, response))
    closing = asyncio.ensure_future(request.app[CLOSING].wait())
    try:
        await asyncio.wait({copying, closing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (copying, closing):
            task.cancel()
        done, _ = await asyncio.wait({copying, closing})
    if copying in done and not copying.cancelled():
        copying.result()


async def _copy(answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()

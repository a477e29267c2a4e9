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
"""Names the replica that passed a request on: it is not passed on twice, as two may not agree whose a user is."""
_SESSION: Final = web.AppKey("RELAY", aiohttp.ClientSession)
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TAKING: Final = frozenset({"PUT", "POST", "PATCH"})
_CONNECT: Final = 3.0
_SILENCE: Final = 120.0  # seconds: longer than any ?wait=, and a stream of events says something every 15
_OF_CONNECTION: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
        *("host", "content-length", "content-encoding"),  # the body is passed on as it was read
    }
)
_DROPPED: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server", "set-cookie"}
)


@asynccontextmanager
async def peer_session(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    """Keep connections to the other replicas for as long as the application runs.

    Raises:
        SettingsError: The file with the authority of their certificates cannot be read.

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
    """Forward a request to the replica that owns the user, inside of ``authorize``: the caller is known."""
    try:
        _stand_back(request)
        await _look(request)
        return await handler(request)
    except ElsewhereError as error:
        if error.address is None or FORWARDED_BY in request.headers:
            raise
        return await _passed_on(request, error.address)
    except ReplicaFencedError:  # it may be done or not: asking for the same again is safe, here and there
        address = _stand_in(request)
        if address is None:
            raise
        return await _passed_on(request, address)


def _stand_back(request: web.Request) -> None:
    """Leave what changes something to another replica while this one may not write.

    Raises:
        ElsewhereError: It may not, and another one lives.

    """
    if request.method in _READING or request.app[SERVICE].membership.heartbeat.fence.is_open:
        return
    if (address := _stand_in(request)) is not None:
        raise ElsewhereError(address)


def _stand_in(request: web.Request) -> str | None:
    """Return the replica to ask in place of this one; None where there is none, or it was asked already."""
    username, service = subject_of(request), request.app[SERVICE]
    if username is None or FORWARDED_BY in request.headers or not service.spawns.ready:
        return None
    return service.membership.ownership.stand_in(safe_slug(username))


async def _look(request: web.Request) -> None:
    """Make sure that "not known here" is not sent as "not found". A start needs no check: it would not write first."""
    username = subject_of(request)
    if request.method != "PUT" and username is not None and FORWARDED_BY not in request.headers:
        await request.app[SERVICE].spawns.look_for(username)


async def _passed_on(request: web.Request, address: str) -> web.StreamResponse:
    service = request.app[SERVICE]
    headers = _headers(request)
    # As here: the body of a request that takes none is not waited for, or those that stop something could be used up.
    body = await read_body(request) if request.method in _TAKING and request.body_exists else None
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
            await _hand_back(request, answer, response)
    except (aiohttp.ClientError, OSError) as error:
        log = structlog.get_logger("spawnpenny.relay")
        log.warning("another replica does not answer", address=address, error=type(error).__name__)
        if not response.prepared:
            raise ElsewhereError(None) from None
        if request.transport is not None:
            request.transport.abort()  # half an answer: its reader has to see that it broke
    return response


def _headers(request: web.Request) -> CIMultiDict[str]:
    """Return the headers to pass a request on with: the caller's, as authenticators may read any, and our own."""
    service, here = request.app[SERVICE], request_context(request)
    named = {each.strip().lower() for value in request.headers.getall("Connection", []) for each in value.split(",")}
    headers = CIMultiDict(
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in _OF_CONNECTION | named and _is_text(value)
    )
    if here.authorization is not None:
        headers["Authorization"] = here.authorization  # which a cookie of this replica may stand for
    headers[FORWARDED_BY], headers[HEADER] = service.membership.me.identity, here.id
    for name in FORWARDING:
        headers.popall(name, None)
    if here.remote is not None:
        headers.update(forwarded(service.settings.web.forwarded_header, here.remote))
    return headers


def _is_text(value: str) -> bool:
    """Return whether a header's value can be sent again: bytes that are no UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _hand_back(request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
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

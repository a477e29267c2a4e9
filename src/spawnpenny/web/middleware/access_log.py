"""Log every request, and write the audit log of requests that change something."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from spawnpenny.errors import UnauthenticatedError
from spawnpenny.web.app_keys import CLIENT_ADDRESSES, METRICS
from spawnpenny.web.dialect import dialect_of
from spawnpenny.web.request_context import HEADER, RequestContext, begin, find

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SHOWN: Final = frozenset({"user", "lab"})
_FACTS: Final = frozenset({"event", "who", "remote", "status", "code", "spawn", "purge"})
"""Names of facts in the audit log, which a part of a path does not replace."""
_FREQUENT: Final = frozenset({"/healthz", "/readyz", "/metrics"})


@web.middleware
async def access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give a request its id, and log the request when it is over. The outermost middleware."""
    # One task serves all requests of a connection: forget what the previous request has bound.
    structlog.contextvars.clear_contextvars()
    context, started = begin(request, request.app[CLIENT_ADDRESSES].of(request)), time.monotonic()
    structlog.contextvars.bind_contextvars(request=context.id)
    status = None
    try:
        response = await handler(request)
        status = response.status
    finally:
        # Without a status, the caller has disconnected, or the service is stopping.
        seconds = time.monotonic() - started
        _audit(request, context, status)
        # After the answer is sent, so that the caller does not wait for a log line.
        asyncio.get_running_loop().call_soon(_log, request, context, status, seconds)
    return response


async def put_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of every answer, when its headers are sent: a stream sends them before its handler returns."""
    context = find(request)
    if context is not None:
        response.headers[HEADER] = context.id
        context.streamed = response.content_type == "text/event-stream"
        dialect = dialect_of(request)
        if dialect is not None and context.cookie is not None and response.status < HTTPStatus.BAD_REQUEST:
            dialect.set_cookie(request, response, context.cookie)
    response.headers["Server"] = "spawnpenny"  # without versions
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")


def _log(request: web.Request, context: RequestContext, status: int | None, seconds: float) -> None:
    """Count a request, and write its log line."""
    request.app[METRICS].requests.count(
        request.match_info.route.name, request.method, status, seconds, streamed=context.streamed
    )
    # Never log the query or a header: they may contain a token.
    facts = {"method": request.method, "path": request.path, "status": status, "seconds": round(seconds, 4)}
    log = structlog.get_logger("spawnpenny.access")
    (log.debug if request.path in _FREQUENT else log.info)(
        "request", **facts, who=_caller(context), remote=context.remote
    )


def _audit(request: web.Request, context: RequestContext, status: int | None) -> None:
    """Write the audit line of a request that changes something, before the answer is sent."""
    route = request.match_info.route
    if request.method in _READING or request.match_info.http_exception is not None or _is_handshake(request, context):
        return
    structlog.get_logger("spawnpenny.audit").info(
        route.name or request.method,
        who=_caller(context),
        user=request.match_info.get("user", context.own_user),
        lab=request.match_info.get("lab"),
        **_parts(request, context),
        remote=context.remote,
        status=status,
        code=context.code,
        spawn=context.spawn,
        **({"purge": "storage"} if context.purge else {}),
    )


def _parts(request: web.Request, context: RequestContext) -> dict[str, str]:
    """Return the further parts of the path, such as the name of a spawn of a plugin's kind."""
    named = {**context.names, **request.match_info}
    return {f"{name}_" if name in _FACTS else name: text for name, text in named.items() if name not in _SHOWN}


def _caller(context: RequestContext) -> str | None:
    return context.identity.name if context.identity else None


def _is_handshake(request: web.Request, context: RequestContext) -> bool:
    """Return whether a client of a foreign protocol sends a request without credentials, to learn the scheme."""
    anonymous = context.code == UnauthenticatedError.code and "Authorization" not in request.headers
    return anonymous and dialect_of(request) is not None

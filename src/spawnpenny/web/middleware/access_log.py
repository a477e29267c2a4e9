"""Log each request: one line in the log, and one in the audit log for a request that changes something."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from spawnpenny.errors import UnauthenticatedError
from spawnpenny.web.app_keys import CLIENT_ADDRESSES, METRICS
from spawnpenny.web.dialect import DIALECT
from spawnpenny.web.request_context import HEADER, RequestContext, begin, find

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OFTEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})


@web.middleware
async def access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give a request its id, and log it when it is over. The outermost middleware."""
    # A connection is one task that serves many requests: what the one before has bound is not ours.
    structlog.contextvars.clear_contextvars()
    here, began = begin(request, request.app[CLIENT_ADDRESSES].of(request)), time.monotonic()
    structlog.contextvars.bind_contextvars(request=here.id)
    status = None
    try:
        response = await handler(request)
        status = response.status
    finally:
        # No status: the caller went away, or the service is being stopped.
        seconds = time.monotonic() - began
        _audit(request, here, status)
        # In the next turn of the loop, once the answer is sent: the caller does not wait for a log line.
        asyncio.get_running_loop().call_soon(_log, request, here, status, seconds)
    return response


async def put_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add what every answer carries; a signal handler, as a stream has sent its headers before its handler returns."""
    here = find(request)
    if here is not None:
        response.headers[HEADER] = here.id
        if here.cookie is not None and response.status < HTTPStatus.BAD_REQUEST:
            request.app[DIALECT].set_cookie(request, response, here.cookie)
    response.headers["Server"] = "spawnpenny"  # not which versions of what
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")


def _log(request: web.Request, here: RequestContext, status: int | None, seconds: float) -> None:
    """Count a request, and write its line."""
    request.app[METRICS].requests.count(request.match_info.route.name, request.method, status, seconds)
    # Never the query, nor a header: a token may be in them.
    told = {"method": request.method, "path": request.path, "status": status, "seconds": round(seconds, 4)}
    log = structlog.get_logger("spawnpenny.access")
    (log.debug if request.path in _OFTEN else log.info)("request", **told, who=_caller(here), remote=here.remote)


def _audit(request: web.Request, here: RequestContext, status: int | None) -> None:
    """Write the audit line of a request that changes something, before its answer is sent."""
    route = request.match_info.route
    if request.method in _READING or request.match_info.http_exception is not None or _asks_how(request, here):
        return
    structlog.get_logger("spawnpenny.audit").info(
        route.name or request.method,
        who=_caller(here),
        user=request.match_info.get("user", here.own_user),
        lab=request.match_info.get("lab"),
        **({"cluster": cluster} if (cluster := request.match_info.get("cluster", here.cluster)) else {}),
        remote=here.remote,
        status=status,
        code=here.code,
        spawn=here.spawn,
        **({"purge": "storage"} if here.purge else {}),
    )


def _caller(here: RequestContext) -> str | None:
    return here.identity.name if here.identity else None


def _asks_how(request: web.Request, here: RequestContext) -> bool:
    """Return whether dask-gateway's client asks which authentication to use, as it does each time."""
    anonymous = here.code == UnauthenticatedError.code and "Authorization" not in request.headers
    return anonymous and request.app[DIALECT].covers(request.path)

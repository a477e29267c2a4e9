"""Translate errors to HTTP: to problem documents (RFC 9457), or to the form of a foreign protocol.

``type`` is an absolute URI, as the RFC advises: a relative one would have another meaning under each path. It is only a
name, made of the error code, in the domain of our labels. Nothing is fetched from it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp import web

from spawnpenny.advice import advice
from spawnpenny.domain.broker_errors import BrokerUnavailableError
from spawnpenny.errors import InvalidRequestError, SpawnpennyError, UnauthenticatedError
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.serving.errors import MethodNotAllowedError, NoSuchRouteError
from spawnpenny.serving.expectations import check_expectation
from spawnpenny.serving.prefix import link_to
from spawnpenny.web.dialect import dialect_of
from spawnpenny.web.errors import BodyTooLargeError
from spawnpenny.web.request_context import request_context

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

TYPE: Final = "https://spawnpenny.io/errors/"
CONTENT_TYPE: Final = "application/problem+json"
_INTERNAL: Final = (
    "An internal error occurred in spawnpenny. An administrator finds the cause in the log, by request_id."
)
_CLUSTER: Final = "The cluster refused or did not answer. An administrator finds the cause in the log, by request_id."
_RETRY_AFTER: Final = 5
_MOST_BYTES: Final = 7 * 1024
_CUT: Final = 300


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into an answer. Unexpected errors are logged, and their texts are not shown."""
    try:
        check_expectation(request)
        return await handler(request)
    except SpawnpennyError as error:
        return _answer(request, error)
    except web.HTTPException as error:
        return _answer(request, _translate(request, error))
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            raise  # the caller has disconnected: no answer is possible
        structlog.get_logger("spawnpenny.web").exception("a request failed unexpectedly")
        return _answer(request, SpawnpennyError(_INTERNAL))


def problem_document(error: SpawnpennyError, *, instance: str, request_id: str) -> dict[str, Any]:
    """Return the problem document of an error."""
    detail, facts = _shown(error)
    members = {
        "type": f"{TYPE}{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": detail,
        "code": error.code,
        "instance": instance,
        "request_id": request_id,
    }
    if text := error.advice or advice(error.code):
        members["advice"] = text
    return {**members, **facts, **members}  # members come first, and no fact overrides them


def _shown(error: SpawnpennyError) -> tuple[str, dict[str, Any]]:
    # Their messages are for administrators: they name Secrets, namespaces and steps.
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _INTERNAL, {}
    if isinstance(error, ClusterError | BrokerUnavailableError):
        return _CLUSTER, {}
    return error.message, dict(error.facts)


def _answer(request: web.Request, error: SpawnpennyError) -> web.Response:
    context = request_context(request)
    context.code = error.code
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log = structlog.get_logger("spawnpenny.web")
        log.warning("a request could not be served", code=error.code, error=error.message)
    status, kind, body = (
        error.status,
        CONTENT_TYPE,
        problem_document(error, instance=link_to(request, request.rel_url.raw_path), request_id=context.id),
    )
    if (dialect := dialect_of(request)) is not None:
        kind = "application/json"
        status, body = dialect.refusal(
            error.status, error.code, body["detail"], request_id=context.id, advice=error.advice
        )
    response = web.Response(status=status, text=_bounded(body), content_type=kind, headers=_headers(error))
    if not request.content.is_eof():
        response.force_close()  # instead of reading the rest of the body
    return response


def _bounded(body: dict[str, Any]) -> str:
    """Return an answer as JSON. Its longest parts are cut if it is large, so that refusals do not amplify requests."""
    text = json.dumps(body, default=str)
    for key in sorted(body, key=lambda key: len(json.dumps(body[key], default=str)), reverse=True):
        if len(text) <= _MOST_BYTES:
            break
        value = body[key]
        rest = {name: other for name, other in body.items() if name != key}
        body = {**rest, key: f"{value[:_CUT]}…"} if isinstance(value, str) else rest
        text = json.dumps(body, default=str)
    return text


def _headers(error: SpawnpennyError) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    retry_after = error.retry_after
    if retry_after is None and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after = _RETRY_AFTER
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = 'Bearer realm="spawnpenny"'
    if isinstance(error, MethodNotAllowedError):
        headers["Allow"] = ", ".join(error.facts["allowed"])
    return headers


def _translate(request: web.Request, error: web.HTTPException) -> SpawnpennyError:
    """Return our error for one that aiohttp raises by itself."""
    match error:
        case web.HTTPNotFound():
            return NoSuchRouteError("There is no such route. /docs lists all routes.")
        case web.HTTPMethodNotAllowed():
            allowed = sorted(error.allowed_methods)
            return MethodNotAllowedError(
                f"This route takes {', '.join(allowed)}, not {request.method[:16]!r}.", allowed=allowed
            )
        case web.HTTPRequestEntityTooLarge():
            return BodyTooLargeError(request.client_max_size)
        case _ if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return InvalidRequestError("The request cannot be understood.")
        case _:
            return SpawnpennyError(_INTERNAL)

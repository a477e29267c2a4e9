"""The HTTP protocol of aiohttp, with refusals like those of the application."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from spawnpenny.errors import SpawnpennyError
from spawnpenny.serving.errors import MalformedRequestError, MethodNotAllowedError

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

_INTERNAL = "Something went wrong in spawnpenny; an administrator finds the cause in the log."
_MALFORMED = "This is no valid HTTP request. The connection is closed."


class RequestHandler(web.RequestHandler):
    """One HTTP connection. aiohttp's own refusals, such as of a broken header, are problem documents too."""

    __slots__ = ()

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer a request that never reached the application: aiohttp's own answer has versions and quotes it."""
        del message
        log = structlog.get_logger("spawnpenny.web")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            error: SpawnpennyError = MalformedRequestError(_MALFORMED)
            # Without the message of the exception: it quotes headers, and one may have a token.
            log.debug("a request cannot be understood", remote=request.remote, error=type(exc).__name__)
        else:
            error = SpawnpennyError(_INTERNAL)
            log.error("a request failed unexpectedly", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("half of an answer was sent already")
        return problem(error)


def problem(error: SpawnpennyError) -> web.Response:
    """Return the answer to a request that no application serves; the connection ends with it."""
    members = {
        "type": f"https://spawnpenny.io/errors/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
    }
    headers = {"Server": "spawnpenny", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if isinstance(error, MethodNotAllowedError):
        headers["Allow"] = ", ".join(error.facts["allowed"])
    response = web.Response(
        status=error.status, text=json.dumps(members), content_type="application/problem+json", headers=headers
    )
    response.force_close()
    return response

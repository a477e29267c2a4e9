"""Small applications beside the HTTP API, as for the health of a process, with the same kind of refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from spawnpenny.errors import InvalidRequestError, SpawnpennyError
from spawnpenny.serving.errors import MethodNotAllowedError, NoSuchRouteError
from spawnpenny.serving.expectations import UnknownExpectations, answer_expectation, check_expectation
from spawnpenny.serving.protocol import problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Handler

_MAX_BODY = 1024
_INTERNAL = "Something went wrong in spawnpenny; an administrator finds the cause in the log."


def auxiliary_application(routes: Iterable[tuple[str, str, Handler]]) -> web.Application:
    """Make an application of a few routes: method, path and handler.

    Every refusal is a problem document. No answer contains a version.
    """
    app = web.Application(client_max_size=_MAX_BODY, middlewares=[_problems])
    for method, path, handler in routes:
        app.router.add_route(method, path, handler, expect_handler=answer_expectation)
        if method == "GET":
            app.router.add_route("HEAD", path, handler, expect_handler=answer_expectation)
    app.router.register_resource(UnknownExpectations())
    app.on_response_prepare.append(_put_headers)
    return app


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        check_expectation(request)
        return await handler(request)
    except SpawnpennyError as error:
        return problem(error)
    except web.HTTPException as error:
        return problem(_translated(request, error))
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            raise  # the caller is gone: nobody to answer
        structlog.get_logger("spawnpenny.web").exception("a request failed unexpectedly")
        return problem(SpawnpennyError(_INTERNAL))


def _translated(request: web.Request, error: web.HTTPException) -> SpawnpennyError:
    match error:
        case web.HTTPNotFound():
            return NoSuchRouteError("There is no such route.")
        case web.HTTPMethodNotAllowed():
            allowed = sorted(error.allowed_methods)
            return MethodNotAllowedError(
                f"This route takes {', '.join(allowed)}, not {request.method[:16]!r}.", allowed=allowed
            )
        case _:
            return InvalidRequestError("The request cannot be understood.")


async def _put_headers(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers["Server"] = "spawnpenny"
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")

"""Guard of a plugin's handlers: their errors and answers become those of every route."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp import web

from spawnpenny.errors import SpawnpennyError
from spawnpenny.spawns.scrub import Scrubber
from spawnpenny.web.request_context import request_context

if TYPE_CHECKING:
    from spawnpenny.web.route import Handler, Route

_FAILED: Final = "A route of a plugin failed. The log has the cause."


def guarded(plugin: str, route: Route) -> Handler:
    """Return the handler of a plugin's route, guarded.

    No error quotes a secret of the spawns that the handler has seen, or the caller's token. An unexpected error, and an
    answer that the route does not declare, become an internal error.
    """
    log = structlog.get_logger("spawnpenny.plugins").bind(plugin=plugin, route=route.name)

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            answer: object = await route.handler(request)
        except SpawnpennyError as error:
            raise _scrubbed(error, _scrubber(request)) from None
        except web.HTTPException:
            raise
        except Exception as error:
            if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
                raise  # the caller has disconnected: no answer is possible
            log.error("a route of a plugin failed", exception=_scrubber(request)(traceback.format_exc()))  # noqa: TRY400
            raise SpawnpennyError(_FAILED) from None
        return _declared(answer, route, log)

    return handle


def _declared(answer: object, route: Route, log: Any) -> web.StreamResponse:
    """Return an answer that the route may give.

    Raises:
        SpawnpennyError: It is no response, or a refusal that the route does not declare.

    """
    if not isinstance(answer, web.StreamResponse):
        log.error("a route of a plugin answers with something else than a response", answer=type(answer).__name__)
        raise SpawnpennyError(_FAILED)
    if answer.status >= HTTPStatus.BAD_REQUEST and answer.status not in route.answers and not answer.prepared:
        log.error("a route of a plugin answers with a refusal that it does not declare", status=answer.status)
        raise SpawnpennyError(_FAILED)
    return answer


def _scrubber(request: web.Request) -> Scrubber:
    context = request_context(request)
    token = (context.authorization or "").partition(" ")[2].strip()
    return Scrubber((token, *(text for record in context.shown for text in record.hidden)))


def _scrubbed(error: SpawnpennyError, scrub: Scrubber) -> SpawnpennyError:
    """Return an error without secrets. It is a copy: a plugin may raise one object again and again."""
    copied = type(error).__new__(type(error))
    copied.__dict__.update(error.__dict__)
    copied.message = scrub(str(error.message))
    copied.args = (copied.message,)
    copied.advice = None if error.advice is None else scrub(str(error.advice))
    copied.facts = {name: _clean(value, scrub) for name, value in error.facts.items()}
    return copied


def _clean(value: Any, scrub: Scrubber) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {name: _clean(item, scrub) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, scrub) for item in value]
    return value

"""Server-sent events of a spawn: the past ones, then new ones until the spawn is settled."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from spawnpenny.aio.race import until_first
from spawnpenny.domain.events import Event
from spawnpenny.serving.server import until_gone
from spawnpenny.web.app_keys import CLOSING, LIMITS
from spawnpenny.web.request_parsing import user_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.web.schemas.queries import EventsQuery

_PING: Final = 15.0
"""Seconds between two pings."""


async def stream(
    request: web.Request,
    run: ActiveSpawn,
    query: EventsQuery,
    *,
    view: Callable[[Event], dict[str, Any]] = Event.to_json,
) -> web.StreamResponse:
    """Answer with the events of a spawn.

    Args:
        request: The request.
        run: The spawn.
        query: The query parameters.
        view: The JSON of an event.

    """
    last_id = request.headers.get("Last-Event-ID") or query.last_event_id
    log = run.record.log
    ended = run.over if query.follow else run.settled
    if last_id and ended and log.position(last_id) and not log.since(last_id):
        # A browser connects again when a stream ends; a 204 says that nothing more will come.
        return web.Response(status=204)
    if request.method == "HEAD":
        return web.Response(content_type="text/event-stream")
    with request.app[LIMITS].streams.opened(user_of(request)):
        response = EventSourceResponse(ping_interval=_PING)
        response.headers["Cache-Control"] = "no-store"
        await response.prepare(request)
        async with response:
            await until_first(
                _send(response, run.events(last_id, follow=query.follow), view),
                response.wait(),  # ends when a ping cannot be sent
                until_gone(request),
                request.app[CLOSING].wait(),
            )
    return response


async def _send(
    response: EventSourceResponse, source: AsyncIterator[Event], view: Callable[[Event], dict[str, Any]]
) -> None:
    async with aclosing(source) as events:  # type: ignore[type-var]  # an async generator, typed as an iterator
        async for event in events:
            await response.send(json.dumps(view(event)), id=event.id, event=event.type)

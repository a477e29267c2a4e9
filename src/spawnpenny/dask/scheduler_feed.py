"""``GET /v1/routes``: send the proxy the routes to schedulers, and each change, over one stream."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from spawnpenny.aio.race import until_first
from spawnpenny.dask.schedulers import Schedulers
from spawnpenny.errors import NotReadyError
from spawnpenny.kubernetes.object_cache import Subscription
from spawnpenny.serving.server import until_gone
from spawnpenny.web.app_keys import CLOSING, SERVICE
from spawnpenny.web.middleware import authorize
from spawnpenny.web.route import Answer, Route

_PING: Final = 15.0
_STUCK: Final = 30.0
"""Seconds that a caller may take to read; one that does not has the stream ended, and begins anew."""


async def get_routes(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    if not service.spawns.ready:  # a part of the routes would be taken for all of them
        raise NotReadyError
    if request.method == "HEAD":
        return web.Response(content_type="text/event-stream")
    # Not among the streams that limits.streams counts: users could take the last one, and the proxy would go blind.
    response = EventSourceResponse(ping_interval=_PING)
    response.headers["Cache-Control"] = "no-store"
    with service.service_context.pods.subscribe() as changes:
        telling = _Telling(
            response, Schedulers(service.service_context.pods.items(), service.service_context.faults), changes
        )
        await response.prepare(request)
        async with response:
            await until_first(
                telling.collect(), telling.send(), response.wait(), until_gone(request), request.app[CLOSING].wait()
            )
    return response


class _Telling:
    """Sends the changes. If a cluster changes twice before the first change is sent, only the last is kept."""

    def __init__(self, response: EventSourceResponse, schedulers: Schedulers, changes: Subscription) -> None:
        self._response = response
        self._schedulers = schedulers
        self._changes = changes
        self._untold: dict[str, None] = {}
        self._changed = asyncio.Event()

    async def collect(self) -> None:
        """Take in all changes as they come, so that none pile up."""
        async for change in self._changes:
            cluster = self._schedulers.take(change)
            if cluster is not None:
                self._untold[cluster] = None
                self._changed.set()

    async def send(self) -> None:
        await self._send("routes", self._schedulers.all())
        while True:
            await self._changed.wait()
            self._changed.clear()
            untold, self._untold = self._untold, {}
            for cluster in untold:
                await self._send("route", {"cluster": cluster, "route": self._schedulers.get(cluster)})

    async def _send(self, event: str, data: object) -> None:
        async with asyncio.timeout(_STUCK):
            await self._response.send(json.dumps(data), event=event)


SCHEDULER_FEED: Final = (
    Route(
        "GET",
        "/v1/routes",
        get_routes,
        authorize.ROUTES,
        "gateway.routes",
        "Where the schedulers of all Dask clusters are, and each change, as server-sent events: for the proxy.",
        {
            200: Answer(
                "First one event `routes` with all, then an event `route` for each that changes.", "text/event-stream"
            )
        },
        refusals={503: ("not_ready",)},
    ),
)

"""Send the proxy the routes to schedulers, and their changes, over one stream: ``GET /v1/routes``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from spawnpenny.aio.faults import Faults
from spawnpenny.aio.race import until_first
from spawnpenny.dask.kind import DASK
from spawnpenny.domain import labels
from spawnpenny.domain.contract import DASHBOARD_PORT_NAME, SCHEDULER_PORT_NAME
from spawnpenny.errors import NotReadyError
from spawnpenny.kubernetes.object_cache import Subscription
from spawnpenny.kubernetes.pods.containers import own_spec
from spawnpenny.kubernetes.pods.status import is_over
from spawnpenny.serving.server import until_gone
from spawnpenny.web.app_keys import CLOSING, SERVICE
from spawnpenny.web.middleware import authorize
from spawnpenny.web.route import Answer, Route

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest, WatchEvent


_PING: Final = 15.0
_STUCK: Final = 30.0
"""Seconds that the proxy may take to read. The stream of a slower one ends, and it connects again."""


async def get_routes(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    if not service.spawns.ready:  # the proxy would take a part of the routes for all of them
        raise NotReadyError
    if request.method == "HEAD":
        return web.Response(content_type="text/event-stream")
    # limits.streams does not count this stream: else users could take the last one, and the proxy would get no routes.
    response = EventSourceResponse(ping_interval=_PING)
    response.headers["Cache-Control"] = "no-store"
    with service.service_context.pods.subscribe() as changes:
        feed = _Feed(
            response, Schedulers(service.service_context.pods.items(), service.service_context.faults), changes
        )
        await response.prepare(request)
        async with response:
            await until_first(
                feed.collect(), feed.send(), response.wait(), until_gone(request), request.app[CLOSING].wait()
            )
    return response


class _Feed:
    """The changes of routes that are not sent yet. Of two changes of one cluster, only the last is sent."""

    def __init__(self, response: EventSourceResponse, schedulers: Schedulers, changes: Subscription) -> None:
        self._response = response
        self._schedulers = schedulers
        self._changes = changes
        self._unsent: dict[str, None] = {}
        self._changed = asyncio.Event()

    async def collect(self) -> None:
        """Note all changes as they come, so that the subscription does not grow."""
        async for change in self._changes:
            cluster = self._schedulers.take(change)
            if cluster is not None:
                self._unsent[cluster] = None
                self._changed.set()

    async def send(self) -> None:
        await self._send("routes", self._schedulers.all())
        while True:
            await self._changed.wait()
            self._changed.clear()
            unsent, self._unsent = self._unsent, {}
            for cluster in unsent:
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
        "The addresses of all Dask schedulers, and their changes, as server-sent events; for the proxy.",
        {200: Answer("One event `routes` with all of them, then one event `route` a change.", "text/event-stream")},
        refusals={503: ("not_ready",)},
    ),
)


class Schedulers:
    """The running schedulers by cluster, from their pods."""

    def __init__(self, pods: Iterable[Manifest], faults: Faults) -> None:
        self._faults = faults
        self._routes: dict[str, dict[str, Any]] = {}
        # If two clusters ever have one name, it is that of the older one.
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", ""))):
            self._keep(pod)

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the routes by cluster."""
        return dict(self._routes)

    def get(self, cluster: str) -> dict[str, Any] | None:
        return self._routes.get(cluster)

    def take(self, event: WatchEvent) -> str | None:
        """Note a change of a pod; return the cluster whose route changes by it, if any."""
        cluster = _cluster_of(event.object)
        if cluster is None:
            return None
        before = self._routes.get(cluster)
        if event.type == "DELETED":
            self._drop(cluster, event.object)
        else:
            self._keep(event.object)
        return cluster if self._routes.get(cluster) != before else None

    def _keep(self, pod: Manifest) -> None:
        cluster = _cluster_of(pod)
        if cluster is None:
            return
        route = None
        with self._faults.isolated("pod", cluster):
            route = _route_of(pod)
        if route is None:
            self._drop(cluster, pod)
        elif self._routes.get(cluster, route)["uid"] == route["uid"]:
            self._routes[cluster] = route

    def _drop(self, cluster: str, pod: Manifest) -> None:
        if self._routes.get(cluster, {}).get("uid") == pod["metadata"].get("uid"):
            self._routes.pop(cluster, None)


def _cluster_of(pod: Manifest) -> str | None:
    """Return the cluster of a scheduler's pod; None for every other pod."""
    found = pod["metadata"].get("labels", {})
    if found.get(labels.KIND) != DASK or labels.PART in found:
        return None
    return found.get(labels.LAB) or None


def _route_of(pod: Manifest) -> dict[str, Any] | None:
    """Return the route to a scheduler, from the start of its program until its pod is ordered to end.

    Readiness does not count: nobody has to wait for a route that is known early, and a scheduler that is too busy for
    its probe goes on.
    """
    metadata, status = pod["metadata"], pod.get("status", {})
    address, ports = status.get("podIP"), _ports(pod)
    going = "deletionTimestamp" in metadata or is_over(pod)
    if not address or status.get("phase") != "Running" or going or SCHEDULER_PORT_NAME not in ports:
        return None
    return {
        "user": metadata.get("annotations", {}).get(labels.USERNAME, ""),
        "uid": metadata["uid"],
        "address": address,
        "tls": ports[SCHEDULER_PORT_NAME],
        "dashboard": ports.get(DASHBOARD_PORT_NAME),
    }


def _ports(pod: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in own_spec(pod).get("ports", ()) if "name" in port}

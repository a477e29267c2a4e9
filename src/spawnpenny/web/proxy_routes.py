"""Send the proxy the routes to spawns, and their changes, over one stream: ``GET /v1/routes``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from spawnpenny.aio.faults import Faults
from spawnpenny.aio.race import until_first
from spawnpenny.domain import labels
from spawnpenny.domain.contract import DASHBOARD_PORT_NAME, SCHEDULER_PORT_NAME
from spawnpenny.domain.proxy_names import proxy_name
from spawnpenny.domain.spawns import Key
from spawnpenny.errors import NotReadyError
from spawnpenny.kubernetes.object_cache import Subscription
from spawnpenny.kubernetes.pods.containers import own_spec
from spawnpenny.kubernetes.pods.status import is_over
from spawnpenny.serving.server import until_gone
from spawnpenny.web.app_keys import CLOSING, SERVICE
from spawnpenny.web.middleware import authorize
from spawnpenny.web.route import Answer, Route

if TYPE_CHECKING:
    from spawnpenny.domain.kinds import Kinds
    from spawnpenny.kubernetes.interface import Manifest, WatchEvent


_SHOWN: Final = "true"
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
        pods = ProxiedPods(service.service_context.pods.items(), service.plugins.kinds, service.service_context.faults)
        feed = _Feed(response, pods, changes)
        await response.prepare(request)
        async with response:
            await until_first(
                feed.collect(), feed.send(), response.wait(), until_gone(request), request.app[CLOSING].wait()
            )
    return response


class _Feed:
    """The changes of routes that are not sent yet. Of two changes of one route, only the last is sent."""

    def __init__(self, response: EventSourceResponse, pods: ProxiedPods, changes: Subscription) -> None:
        self._response = response
        self._pods = pods
        self._changes = changes
        self._unsent: dict[str, None] = {}
        self._changed = asyncio.Event()

    async def collect(self) -> None:
        """Note all changes as they come, so that the subscription does not grow."""
        async for change in self._changes:
            name = self._pods.take(change)
            if name is not None:
                self._unsent[name] = None
                self._changed.set()

    async def send(self) -> None:
        await self._send("routes", self._pods.all())
        while True:
            await self._changed.wait()
            self._changed.clear()
            unsent, self._unsent = self._unsent, {}
            for name in unsent:
                await self._send("route", {"cluster": name, "route": self._pods.get(name)})

    async def _send(self, event: str, data: object) -> None:
        async with asyncio.timeout(_STUCK):
            await self._response.send(json.dumps(data), event=event)


ROUTES: Final = (
    Route(
        "GET",
        "/v1/routes",
        get_routes,
        authorize.ROUTES,
        "gateway.routes",
        "The addresses of all spawns that the proxy leads to, and their changes, as server-sent events; for the proxy.",
        {200: Answer("One event `routes` with all of them, then one event `route` a change.", "text/event-stream")},
        refusals={503: ("not_ready",)},
    ),
)


class ProxiedPods:
    """The routes to running pods with the label ``ROUTE``, of any kind, by their names at the proxy."""

    def __init__(self, pods: Iterable[Manifest], kinds: Kinds, faults: Faults) -> None:
        self._kinds = kinds
        self._faults = faults
        self._routes: dict[str, dict[str, Any]] = {}
        # If two spawns ever have one name, it is that of the older one.
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", ""))):
            self._keep(pod)

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the routes by name."""
        return dict(self._routes)

    def get(self, name: str) -> dict[str, Any] | None:
        return self._routes.get(name)

    def take(self, event: WatchEvent) -> str | None:
        """Note a change of a pod; return the name of the route that changes by it, if any."""
        name = _name_of(event.object, self._kinds)
        if name is None:
            return None
        before = self._routes.get(name)
        if event.type == "DELETED":
            self._drop(name, event.object)
        else:
            self._keep(event.object)
        return name if self._routes.get(name) != before else None

    def _keep(self, pod: Manifest) -> None:
        name = _name_of(pod, self._kinds)
        if name is None:
            return
        route = None
        with self._faults.isolated("pod", name):
            route = _route_of(pod, self._kinds)
        if route is None:
            self._drop(name, pod)
        elif self._routes.get(name, route)["uid"] == route["uid"]:
            self._routes[name] = route

    def _drop(self, name: str, pod: Manifest) -> None:
        if self._routes.get(name, {}).get("uid") == pod["metadata"].get("uid"):
            self._routes.pop(name, None)


def _name_of(pod: Manifest, kinds: Kinds) -> str | None:
    """Return the name at the proxy of the main pod of a spawn whose kind is loaded; None for every other pod."""
    metadata = pod["metadata"]
    found = metadata.get("labels", {})
    kind = kinds.get(found.get(labels.KIND, ""))
    if labels.PART in found or kind is None:
        return None
    if kind.unique_names:  # pods from before the label have such names only for the proxy
        return found.get(labels.LAB) or None
    if found.get(labels.ROUTE) != _SHOWN:
        return None
    username = metadata.get("annotations", {}).get(labels.USERNAME, "")
    return proxy_name(username, kind.name, _key_of(pod).name)


def _key_of(pod: Manifest) -> Key:
    """Return the key of a pod's spawn; without its annotation, that of the labels."""
    found = pod["metadata"].get("labels", {})
    try:
        return Key.parse(json.loads(pod["metadata"]["annotations"][labels.ORIGIN])["key"])
    except (KeyError, ValueError, TypeError):
        return Key(found[labels.KIND], found.get(labels.LAB, ""))


def _route_of(pod: Manifest, kinds: Kinds) -> dict[str, Any] | None:
    """Return the route to a pod, from the start of its program until it is ordered to end.

    Readiness does not count: nobody has to wait for a route that is known early, and a program that is too busy for
    its probe goes on.
    """
    metadata, status = pod["metadata"], pod.get("status", {})
    address, ports = status.get("podIP"), _ports(pod)
    going = "deletionTimestamp" in metadata or is_over(pod)
    key, username = _key_of(pod), metadata.get("annotations", {}).get(labels.USERNAME, "")
    kind = kinds.get(key.kind)
    if kind is None or not address or status.get("phase") != "Running" or going:
        return None
    needed = {SCHEDULER_PORT_NAME} if kind.dashboard is None else {SCHEDULER_PORT_NAME, DASHBOARD_PORT_NAME}
    if not needed & ports.keys():
        return None
    path = f"/v1/users/{quote(username, safe='')}/{kind.plural}/{quote(key.name, safe='')}"
    shown = kind.dashboard
    return {
        "user": username,
        "kind": key.kind,
        "ticket": f"{path}/ticket",
        "uid": metadata["uid"],
        "address": address,
        "tls": ports.get(SCHEDULER_PORT_NAME),
        "dashboard": ports.get(DASHBOARD_PORT_NAME),
        "paths": shown.paths if shown else None,
        "scripted": shown is not None and shown.scripted,
        "headers": f"{path}/dashboard/headers" if shown and shown.authenticated else None,
    }


def _ports(pod: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in own_spec(pod).get("ports", ()) if "name" in port}

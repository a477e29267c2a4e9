"""Dask schedulers without processes: they answer at the control ports of a hollow node's pods."""

from __future__ import annotations

import asyncio
import base64
import hmac
import socket
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from spawnpenny.domain import labels
from spawnpenny.domain.contract import CONTROL_PORT_NAME, CONTROL_TOKEN
from spawnpenny.embedded.node.addresses import Addresses
from spawnpenny.testing.behaviours import Ready

if TYPE_CHECKING:
    from types import TracebackType

    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.testing.hollow_node import HollowNode

"""What the port is called, and the key of the cluster's Secret with the token that is asked for there."""


@dataclass
class HollowScheduler:
    """One scheduler. ``requests`` counts what it received, as ``GET /state``.

    Its workers are the cluster's pods that are Ready, but for those that it has retired. ``target`` are the workers
    that it would like; ``idle`` and ``alone`` the seconds since when it has had nothing to do, and no client.
    """

    pod: Manifest
    target: int = 0
    idle: float | None = None
    alone: float | None = None
    requests: Counter[str] = field(default_factory=Counter)
    retired: set[str] = field(default_factory=set)
    token: str | None = None

    @property
    def namespace(self) -> str:
        namespace: str = self.pod["metadata"]["namespace"]
        return namespace

    def has(self, pod: Manifest) -> bool:
        """Return whether a pod is one of its workers."""
        metadata, mine = pod["metadata"], self.pod["metadata"]
        carried = metadata.get("labels", {})
        of_it = metadata["namespace"] == self.namespace and carried.get(labels.SPAWN) == mine["labels"][labels.SPAWN]
        return of_it and labels.PART in carried and metadata["name"] not in self.retired and _is_ready(pod)


class HollowSchedulers:
    """Answers as the schedulers of a node would, for as long as the context lasts.

    A pod with a port called ``control`` is one: it gets a loopback address of its own, where that port is served. It
    becomes ready at once, and so do its workers, though none of them is started again.
    """

    def __init__(self, node: HollowNode) -> None:
        self._node = node
        self._by_address: dict[str, HollowScheduler] = {}
        self._addresses: Addresses | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([web.get("/health", self._health), web.get("/state", self._state)])
        app.add_routes([web.post("/retire", self._retire)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        self._stack.push_async_callback(self._runner.cleanup)
        self._stack.push_async_callback(self._settle)
        self._node.give_addresses(self._address)
        self._node.behave(_is_of_a_cluster, Ready())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def of(self, namespace: str, name: str) -> HollowScheduler:
        """Return the newest scheduler in a pod of this name."""
        found = [scheduler for scheduler in self._by_address.values() if scheduler.namespace == namespace]
        return next(scheduler for scheduler in reversed(found) if scheduler.pod["metadata"]["name"] == name)

    def _address(self, pod: Manifest) -> str | None:
        number = _control_port(pod)
        if number is None:
            return None
        if self._addresses is None:
            self._addresses = self._stack.enter_context(Addresses())
        address = self._addresses.take()
        self._by_address[address] = HollowScheduler(pod)
        listener = socket.create_server((address, number))
        self._begin(web.SockSite(self._runner, listener).start())
        return address

    async def _health(self, request: web.Request) -> web.Response:
        self._addressed(request)
        return web.json_response({"status": "ok"})

    async def _state(self, request: web.Request) -> web.Response:
        scheduler = await self._authorized(request)
        status = {"idle": scheduler.idle, "alone": scheduler.alone, "target": scheduler.target}
        workers = {name: {"status": "running"} for name in self._workers(scheduler)}
        return web.json_response({**status, "workers": workers})

    async def _retire(self, request: web.Request) -> web.Response:
        """Retire workers, which end well a moment later, as real ones do."""
        scheduler = await self._authorized(request)
        body = await request.json()
        existing = self._workers(scheduler)
        going = [name for name in body["among"] if name in existing][: body["count"]]
        scheduler.retired |= set(going)
        for name in going:
            self._begin(self._node.exit(scheduler.namespace, name))
        return web.json_response({"names": going})

    def _workers(self, scheduler: HollowScheduler) -> list[str]:
        return [pod["metadata"]["name"] for pod in self._node.pods() if scheduler.has(pod)]

    def _addressed(self, request: web.Request) -> HollowScheduler:
        """Return the scheduler that a request is for; one whose pod does not run (any more) does not answer."""
        assert request.transport is not None  # noqa: S101 - it was just read from
        scheduler = self._by_address[request.transport.get_extra_info("sockname")[0]]
        running = {pod["metadata"]["uid"] for pod in self._node.pods() if _is_ready(pod)}
        if scheduler.pod["metadata"]["uid"] not in running:
            request.transport.abort()
            raise web.HTTPServiceUnavailable
        scheduler.requests[f"{request.method} {request.path}"] += 1
        return scheduler

    async def _authorized(self, request: web.Request) -> HollowScheduler:
        scheduler = self._addressed(request)
        if scheduler.token is None:
            (secret,) = {
                volume["secret"]["secretName"] for volume in scheduler.pod["spec"]["volumes"] if "secret" in volume
            }
            files = await self._node.read_secret(scheduler.namespace, secret)
            scheduler.token = base64.b64decode(files[CONTROL_TOKEN]).decode()
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {scheduler.token}".encode()):
            raise web.HTTPUnauthorized
        return scheduler

    def _begin(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _settle(self) -> None:
        """End the work that is under way, and report its errors."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


def _control_port(pod: Manifest) -> int | None:
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports", ())]
    return next((port["containerPort"] for port in ports if port.get("name") == CONTROL_PORT_NAME), None)


def _is_of_a_cluster(pod: Manifest) -> bool:
    return labels.PART in pod["metadata"].get("labels", {}) or _control_port(pod) is not None


def _is_ready(pod: Manifest) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    leaves = "deletionTimestamp" in pod["metadata"]
    return not leaves and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )

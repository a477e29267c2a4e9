"""Admission requests as a real API server makes them: recorded by a webhook on loopback that allows everything."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import weakref
from base64 import b64encode
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import trustme
from aiohttp import web

from spawnpenny.kubernetes.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.testing.apiserver import ApiServer

_LOOPBACK: Final = "127.0.0.1"
_CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_LARGEST: Final = 1 << 24
_UNTOLD: Final = frozenset({"managedFields", "ownerReferences", "selfLink"})
"""What namespaceObject does not have of a namespace's metadata."""


@dataclass(frozen=True, slots=True)
class Admission:
    """One request, as an admission policy sees it: what it calls request, object, oldObject and namespaceObject."""

    request: Manifest
    object: Manifest | None
    old: Manifest | None
    namespace: Manifest | None

    @property
    def user(self) -> str:
        name: str = self.request["userInfo"]["username"]
        return name

    def __str__(self) -> str:
        resource, request = self.request["resource"], self.request
        what = "/".join(filter(None, (resource["group"], resource["resource"], request.get("subResource"))))
        return f"{request['operation']} {what} {request.get('namespace', '')}/{request.get('name', '')}"


class AdmissionRecorder:
    """Records what some users write, for as long as the context lasts.

    Nobody's requests are refused, and where the webhook does not answer they go on without it: compare ``seen`` with
    the audit log to know that none is missing.
    """

    def __init__(self, server: ApiServer, users: Collection[str]) -> None:
        self.seen: list[Admission] = []
        self._server = server
        self._users = frozenset(users)
        self._name = f"recorder-{secrets.token_hex(4)}.spawnpenny.io"
        self._stack = AsyncExitStack()
        self._reached = False
        self._transports: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            sockets = Sockets()
            stack.push_async_callback(sockets.close)
            connector = aiohttp.TCPConnector(ssl=self._server.ssl_context(), socket_factory=sockets)
            self._http = await stack.enter_async_context(
                aiohttp.ClientSession(self._server.url, connector=connector, raise_for_status=True)
            )
            configuration = await self._listen(stack)
            async with self._http.post(_CONFIGURATIONS, json=configuration) as answer:
                await answer.read()
            stack.push_async_callback(self._remove)
            while not self._reached:  # the API server hears of its own configuration by a watch
                await self._probe()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _listen(self, stack: AsyncExitStack) -> Manifest:
        authority = trustme.CA()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(_LOOPBACK).configure_cert(tls)
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_post("/", self._answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        stack.push_async_callback(self._close, runner)
        await web.TCPSite(runner, _LOOPBACK, 0, ssl_context=tls).start()
        url = f"https://{_LOOPBACK}:{runner.addresses[0][1]}/"
        return _configuration(self._name, url, authority.cert_pem.bytes())

    async def _close(self, runner: web.AppRunner) -> None:
        for transport in self._transports:
            transport.abort()  # or the API server, which keeps its connections, would be waited for
        await runner.cleanup()

    async def _answer(self, http: web.Request) -> web.Response:
        if http.transport is not None:
            self._transports.add(http.transport)
        envelope = await http.json()
        request = envelope["request"]
        self._reached = True
        if request["userInfo"].get("username") in self._users:
            parts = {key: value for key, value in request.items() if key not in {"object", "oldObject"}}
            namespace = await self._namespace(request)
            self.seen.append(Admission(parts, request.get("object"), request.get("oldObject"), namespace))
        answer = {"uid": request["uid"], "allowed": True}
        return web.json_response({"apiVersion": envelope["apiVersion"], "kind": envelope["kind"], "response": answer})

    async def _namespace(self, request: Manifest) -> Manifest | None:
        """Return the namespace of what is written; a Namespace itself is in none."""
        if not request.get("namespace") or request["kind"]["kind"] == "Namespace":
            return None
        async with self._http.get(f"/api/v1/namespaces/{request['namespace']}") as answer:
            found: Manifest = await answer.json()
        metadata = {key: value for key, value in found["metadata"].items() if key not in _UNTOLD}
        return {**found, "metadata": metadata}

    async def _probe(self) -> None:
        probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "probe-"}}
        async with self._http.post("/api/v1/namespaces/default/configmaps?dryRun=All", json=probe) as answer:
            await answer.read()

    async def _remove(self) -> None:
        async with self._http.delete(f"{_CONFIGURATIONS}/{self._name}") as answer:
            await answer.read()


def _configuration(name: str, url: str, authority: bytes) -> dict[str, Any]:
    everything = {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE", "CONNECT"],
        "resources": ["*/*"],
        "scope": "*",
    }
    webhook = {
        "name": name,
        "clientConfig": {"url": url, "caBundle": b64encode(authority).decode()},
        "rules": [everything],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }

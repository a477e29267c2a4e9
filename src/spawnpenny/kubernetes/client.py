"""The cluster interface on a real Kubernetes cluster.

The library kubernetes_asyncio only reads the configuration, authenticates and opens connections: its models are slow,
its watch has no back-off, and its calls have no time limit by default.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING, Final, Self

from spawnpenny.kubernetes.calls import Call, Meter, selector
from spawnpenny.kubernetes.errors import ExpiredError, InvalidObjectError, NotFoundError
from spawnpenny.kubernetes.interface import Listing, Manifest, Ref, WatchEvent
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.kubernetes.retrying import Request, Retrying
from spawnpenny.kubernetes.transport import ClientTransport
from spawnpenny.kubernetes.watch_stream import events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType


_PAGE: Final = "500"
_LOG_BYTES: Final = str(1 << 20)
_LOG_PATIENCE: Final = 3.0  # a node that hands out no logs must not hold up what they would illustrate
_SILENCE: Final = 150.0  # the API server sends a bookmark a minute: two are missed by then
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_LEASE: Final = resource_of("Lease")
_VERSION: Final = Resource("v1", "Version", "version", namespaced=False, stored=False)


@dataclass(frozen=True, slots=True)
class About:
    """The API server's version, such as ``v1.31.2``, and the Date header of that answer."""

    version: str
    date: str | None


class KubernetesCluster:
    """A Kubernetes cluster. Make one with ``connect``; use it as an async context manager, or close it.

    A create that was tried again after a lost answer may raise ``AlreadyExistsError`` on what it made itself,
    and a replace ``ConflictError``: the caller has to read the existing object.
    """

    def __init__(
        self,
        transport: ClientTransport,
        *,
        timeout: float,
        patience: float,
        watch_seconds: int,
        silence: float,
        meter: Meter | None = None,
    ) -> None:
        self._transport = transport
        self._api = Retrying(transport, timeout=timeout, patience=patience, meter=meter)
        self._logs = Retrying(transport, timeout=_LOG_PATIENCE, patience=_LOG_PATIENCE, meter=meter)
        self._watch_seconds = watch_seconds
        self._silence = silence

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None = None,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109 - of each later call, not of this one
        patience: float = 30.0,
        watch_seconds: int = 290,
        silence: float = _SILENCE,
        user_agent: str | None = None,
        meter: Meter | None = None,
    ) -> Self:
        """Prepare calls to a cluster; nothing is sent yet.

        Args:
            kubeconfig: A file; None for the pod's own service account or, outside of a cluster, kubectl's.
            timeout: Seconds for one try of a call.
            patience: Seconds for all tries of a call.
            watch_seconds: Seconds after which the API server ends a watch.
            silence: Seconds without an event or a bookmark after which a watch counts as broken.
            user_agent: The user agent in the audit log of the cluster; None for ``spawnpenny/<version>``.
            meter: Notified of each call.

        Raises:
            SettingsError: There is no configuration, or it cannot be used.

        """
        transport = await ClientTransport.connect(kubeconfig, user_agent or f"spawnpenny/{_version()}")
        return cls(
            transport, timeout=timeout, patience=patience, watch_seconds=watch_seconds, silence=silence, meter=meter
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    async def about(self) -> About:
        """Return the version of the API server.

        Raises:
            UnavailableError: It does not answer.

        """
        answer = await self._api.open(Call("get", _VERSION), Request("GET", "/version"), silence=_LOG_PATIENCE)
        async with answer:
            reported = json.loads(await answer.read())
            return About(str(reported.get("gitVersion", "")), answer.headers.get("Date"))

    async def create(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        """Create an object; ``resource`` says how the API serves a kind that is not in ``kubernetes.kinds``."""
        if resource is not None and not resource.stored:
            call = Call("create", resource, manifest.get("metadata", {}).get("namespace"))
        else:
            call = Call.on("create", _ref(manifest, resource))
        return await self._object(call, Request("POST", call.path(collection=True), body=manifest))

    async def dry_create(self, manifest: Manifest, resource: Resource) -> Manifest:
        """Send ``create`` as a dry run: nothing is made; return what would be stored."""
        call = Call.on("create", _ref(manifest, resource))
        request = Request("POST", call.path(collection=True), {"dryRun": "All"}, body=manifest)
        return await self._object(call, request)

    async def replace(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        call = Call.on("update", _ref(manifest, resource))
        return await self._object(call, Request("PUT", call.path(), body=manifest))

    async def patch(self, ref: Ref, patch: Manifest) -> Manifest:
        call = Call.on("patch", ref, blind="resourceVersion" not in patch.get("metadata", {}))
        request = Request("PATCH", call.path(), body=patch, content_type="application/merge-patch+json")
        return await self._object(call, request)

    async def read(self, ref: Ref) -> Manifest | None:
        call = Call.on("get", ref)
        try:
            return await self._object(call, Request("GET", call.path()))
        except NotFoundError:
            return None

    async def list(
        self, resource: Resource, *, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Listing:
        call = Call("list", resource, namespace)
        try:
            return await self._pages(call, {**selector(labels), "limit": _PAGE})
        except ExpiredError:  # so many pages that the first one's version is forgotten: all at once, then
            return await self._pages(call, selector(labels))

    async def _pages(self, call: Call, query: dict[str, str], *, accept: str = "application/json") -> Listing:
        items: list[Manifest] = []
        kind = {
            "apiVersion": call.resource.api_version,
            "kind": call.resource.kind,
        }  # a list leaves them out of its items
        while True:
            page = await self._object(call, Request("GET", call.path(), query, accept=accept))
            items += [kind | item for item in page.get("items") or []]
            more = page["metadata"].get("continue")
            if not more:
                return Listing(tuple(items), page["metadata"]["resourceVersion"])
            query = query | {"continue": more}

    async def metadata(self, resource: Resource, *, namespace: str) -> tuple[Manifest, ...]:
        listing = await self._pages(Call("list", resource, namespace), {"limit": _PAGE}, accept=_METADATA)
        return tuple({"kind": resource.kind, "metadata": item["metadata"]} for item in listing.items)

    async def delete(
        self, ref: Ref, *, uid: str | None = None, version: str | None = None, grace: int | None = None
    ) -> bool:
        call = Call.on("delete", ref)
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        conditions = {"uid": uid, "resourceVersion": version}
        if desired := {key: value for key, value in conditions.items() if value is not None}:
            options["preconditions"] = desired
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            await self._api.call(call, Request("DELETE", call.path(), body=options))
        except NotFoundError:
            return False
        return True

    async def watch(
        self,
        resource: Resource,
        *,
        since: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WatchEvent]:
        call = Call("watch", resource, namespace)
        query = selector(labels) | {
            "watch": "true",
            "resourceVersion": since,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self._watch_seconds),
        }
        request = Request("GET", call.path(), query, streamed=True)
        answer = await self._api.open(call, request, silence=self._silence)
        async with answer, aclosing(events(call, answer)) as changes:
            async for event in changes:
                yield event

    async def log(self, ref: Ref, *, container: str, tail: int) -> str:
        call = Call.on("get", ref, "log")
        query = {"container": container, "tailLines": str(tail), "limitBytes": _LOG_BYTES}
        try:
            text = await self._logs.call(call, Request("GET", call.path(), query))
        except InvalidObjectError:  # the container has not started, which the API server answers with 400
            return ""
        return text.decode(errors="replace")

    def service_host(self, namespace: str, name: str) -> str:
        """Return its name in the cluster's DNS, without the cluster's own domain, which is a search domain of pods."""
        return f"{name}.{namespace}.svc"

    async def _object(self, call: Call, request: Request) -> Manifest:
        if call.resource == _LEASE:  # one that is renewed too late is lost, and with it all that is under way
            request = replace(request, urgent=True)
        manifest: Manifest = json.loads(await self._api.call(call, request))
        return manifest


def _ref(manifest: Manifest, resource: Resource | None) -> Ref:
    try:
        return Ref.of(manifest, resource)
    except (KeyError, ValueError) as error:
        raise InvalidObjectError(f"The manifest cannot be sent: {error}.") from error


def _version() -> str:
    try:
        return metadata.version("spawnpenny")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "0"

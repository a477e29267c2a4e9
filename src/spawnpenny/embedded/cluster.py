"""The embedded cluster: the cluster interface on one machine, by a store in memory and a process node.

It is for trials, for plugin authors and for tests. It is not Kubernetes: it has no owner references, no finalizers but
those of namespaces, and no DNS, and a Service is only an address. ``embedded.node.node`` describes the limits of its
pods. Objects are lost when the cluster is closed. The folders of volume claims stay, and a new claim of the same name
uses them again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from spawnpenny.aio.pacing import paced
from spawnpenny.embedded.api.admission import Admission
from spawnpenny.embedded.api.defaults import GRACE_SECONDS, fill_in
from spawnpenny.embedded.api.merge import merge_patch
from spawnpenny.embedded.api.namespaces import Namespaces
from spawnpenny.embedded.api.refusals import refuse
from spawnpenny.embedded.api.store import Change, Store, Stored
from spawnpenny.embedded.api.times import timestamp
from spawnpenny.embedded.api.validation import validate
from spawnpenny.embedded.node.folder import Folder
from spawnpenny.embedded.node.node import Node
from spawnpenny.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidObjectError,
    NotFoundError,
    UnavailableError,
)
from spawnpenny.kubernetes.interface import Listing, Manifest, Ref, WatchEvent
from spawnpenny.kubernetes.kinds import Resource, resource_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

# Callers may send these fields, but only the cluster sets them.
_OWN_METADATA: Final = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


class EmbeddedCluster:
    """A cluster on this machine, as an async context manager; implements ``spawnpenny.kubernetes.interface.Cluster``.

    Args:
        folder: The folder for all files. Two clusters never share one.
        images: The command line of each image. ``embedded.node.images`` describes how it is combined with ``command``
            and ``args`` of a container, and its placeholders.
        history: The number of changes of one kind that a watch can be behind before it has to list again.

    """

    def __init__(self, folder: Path, images: Mapping[str, Sequence[str]], *, history: int = 1000) -> None:
        self._folder = Folder(folder)
        self._store = Store(history=history)
        self._admission = Admission(self._store)
        self._namespaces = Namespaces(self._store, self._end_pod)
        self._stack = AsyncExitStack()
        self._node = Node(self._folder, images, self._store)
        self._open = False

    async def __aenter__(self) -> Self:
        """Lock the folder, end processes of a killed cluster, and create the namespace ``default``.

        Raises:
            SettingsError: Another cluster uses the folder, or this machine cannot run a cluster.

        """
        async with AsyncExitStack() as stack:
            stack.enter_context(self._folder)
            await stack.enter_async_context(self._node)
            self._stack = stack.pop_all()
        self._open = True
        self._store.listeners += [self._admission.follow, self._namespaces.follow, self._follow]
        _ = await self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def create(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        await self._begin_call()
        manifest = _decouple(manifest)
        ref = _name(manifest, resource)
        if "resourceVersion" in manifest["metadata"]:
            raise refuse(InvalidObjectError, "create", ref, "resourceVersion should not be set on a new object")
        with _quantities("create", ref):
            self._check("create", ref, manifest)
            if ref.namespace is not None:
                self._namespaces.check_open(ref)
            self._admission.admit(ref, manifest)
        if self._store.find(ref) is not None:
            raise refuse(AlreadyExistsError, "create", ref, "it already exists")
        return self._store.add(ref, manifest).copy()

    async def replace(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        await self._begin_call()
        manifest = _decouple(manifest)
        ref = _name(manifest, resource)
        return self._change("replace", self._existing("replace", ref), manifest)

    async def patch(self, ref: Ref, patch: Manifest) -> Manifest:
        await self._begin_call()
        before = self._existing("patch", ref)
        return self._change("patch", before, _decouple(merge_patch(before.manifest, patch)))

    async def read(self, ref: Ref) -> Manifest | None:
        await self._begin_call()
        stored = self._store.find(ref)
        return stored.copy() if stored is not None else None

    async def list(
        self, resource: Resource, *, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Listing:
        await self._begin_call()
        found = self._store.select(resource, namespace=namespace, labels=labels)
        version = self._store.version
        copies = [stored.copy() async for stored in paced(found)]
        return Listing(tuple(copies), version)

    async def metadata(self, resource: Resource, *, namespace: str) -> tuple[Manifest, ...]:
        listing = await self.list(resource, namespace=namespace)
        return tuple({"kind": resource.kind, "metadata": item["metadata"]} for item in listing.items)

    async def delete(
        self, ref: Ref, *, uid: str | None = None, version: str | None = None, grace: int | None = None
    ) -> bool:
        await self._begin_call()
        stored = self._store.find(ref)
        if stored is None:
            return False
        if uid is not None and stored.uid != uid:
            raise refuse(ConflictError, "delete", ref, f"it has the uid {stored.uid}, not {uid}")
        if version is not None and stored.version != version:
            raise refuse(ConflictError, "delete", ref, "it has been changed since it was read")
        match ref.resource.kind:
            case "Pod":
                self._end_pod(stored, grace)
            case "Namespace":
                self._namespaces.end(stored)
            case _:
                self._store.remove(ref)
        return True

    def watch(
        self,
        resource: Resource,
        *,
        since: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WatchEvent]:
        return self._store.watch(resource, since=since, namespace=namespace, labels=labels)

    async def log(self, ref: Ref, *, container: str, tail: int) -> str:
        await self._begin_call()
        stored = self._existing("read the log of", ref)
        spec = stored.manifest["spec"]
        if container not in {item["name"] for item in (*(spec.get("initContainers") or ()), *spec["containers"])}:
            raise refuse(InvalidObjectError, "read the log of", ref, f"it has no container {container!r}")
        return self._node.log(stored.uid, container, tail)

    def service_host(self, namespace: str, name: str) -> str:
        return self._node.services.address(namespace, name)

    async def close(self) -> None:
        """End all pods at the same time; no process and no folder of a pod is left."""
        self._store.close()
        self._open = False
        await self._stack.aclose()

    async def _begin_call(self) -> None:
        """Let other tasks run first, as a call to an API server does, so that races of callers show here, too."""
        await asyncio.sleep(0)
        if not self._open:
            raise UnavailableError("The embedded cluster is not running: it is not entered yet, or closed already.")

    def _existing(self, verb: str, ref: Ref) -> Stored:
        stored = self._store.find(ref)
        if stored is None:
            raise refuse(NotFoundError, verb, ref, "it does not exist")
        return stored

    def _check(self, verb: str, ref: Ref, manifest: Manifest, before: Stored | None = None) -> None:
        validate(verb, ref, manifest)
        metadata = manifest["metadata"]
        for key in _OWN_METADATA:
            metadata.pop(key, None)
            if before is not None and key in before.manifest["metadata"]:
                metadata[key] = before.manifest["metadata"][key]
        fill_in(manifest, before.manifest if before else None)
        if ref.resource.kind == "Service":
            self._node.services.complete(ref, manifest)

    def _change(self, verb: str, before: Stored, manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        if metadata.get("resourceVersion") not in (None, "", before.version):
            raise refuse(ConflictError, verb, before.ref, "it has been changed since it was read")
        if metadata.get("uid") not in (None, before.uid):
            raise refuse(ConflictError, verb, before.ref, f"it has the uid {before.uid}, not {metadata['uid']}")
        if _name(manifest, before.ref.resource) != before.ref:
            raise refuse(InvalidObjectError, verb, before.ref, "its kind, name and namespace cannot be changed")
        with _quantities(verb, before.ref):
            self._check(verb, before.ref, manifest, before)
            if before.ref.resource.kind == "Pod":
                manifest["spec"] = _same_spec(verb, before, manifest["spec"])
            return self._store.change(before, manifest).copy()

    def _end_pod(self, stored: Stored, grace: int | None = None) -> None:
        """Mark a pod as terminating and let the node end it; a later call can only shorten the grace period."""
        own: int = stored.manifest["spec"].get("terminationGracePeriodSeconds", GRACE_SECONDS)
        seconds = max(0, own if grace is None else grace)
        marked = stored.copy()
        metadata = marked["metadata"]
        if stored.terminating and metadata["deletionGracePeriodSeconds"] <= seconds:
            return
        metadata.update(deletionTimestamp=timestamp(after=seconds), deletionGracePeriodSeconds=seconds)
        self._store.change(stored, marked)
        self._node.end(stored.uid, seconds)

    def _follow(self, change: Change) -> None:
        ref = change.after.ref
        match ref.resource.kind, change.type:
            case "Pod", "ADDED":
                self._node.start(change.after)
            case "PersistentVolumeClaim", "DELETED" if ref.namespace is not None:
                # Moved away at once, so that a new claim of the same name starts empty.
                trash = self._folder.discard_claim(ref.namespace, ref.name)
                if trash is not None:
                    self._node.spawn(asyncio.to_thread(shutil.rmtree, trash, ignore_errors=True))


def _decouple(manifest: Any) -> Manifest:
    """Return a copy of a caller's manifest; raise a TypeError if it is not JSON."""
    decoupled: Manifest = json.loads(json.dumps(manifest))
    return decoupled


def _name(manifest: Manifest, resource: Resource | None = None) -> Ref:
    kind, metadata = manifest.get("kind"), manifest.get("metadata")
    if not isinstance(kind, str) or not isinstance(metadata, dict) or "apiVersion" not in manifest:
        raise InvalidObjectError("A manifest needs apiVersion, kind and metadata.")
    if "name" not in metadata and "generateName" in metadata:
        metadata["name"] = f"{metadata['generateName']}{uuid.uuid4().hex[:5]}"
    if not isinstance(metadata.get("name"), str):
        raise InvalidObjectError(f"A {kind} needs metadata.name.")
    if resource is None:
        try:
            resource = resource_of(kind)
        except ValueError as error:
            raise InvalidObjectError(f"{error}.") from None
    if not resource.namespaced and metadata.pop("namespace", None):
        raise InvalidObjectError(f"A {kind} has no namespace.")
    return Ref.of(manifest, resource)


def _same_spec(verb: str, before: Stored, spec: Manifest) -> Manifest:
    """Return the spec of a pod, which a caller may send without defaults, but not change."""
    kept: Manifest = before.manifest["spec"]
    if {**kept, **spec} != kept:
        raise refuse(InvalidObjectError, verb, before.ref, "spec: a pod's spec cannot be changed: delete and create it")
    return kept


@contextmanager
def _quantities(verb: str, ref: Ref) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise refuse(InvalidObjectError, verb, ref, str(error)) from None

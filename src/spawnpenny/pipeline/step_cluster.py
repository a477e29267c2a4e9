"""The cluster as one step of one spawn gets it: scoped to what the step declares, and to the user's namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from spawnpenny.aio.settle import uninterrupted
from spawnpenny.domain import labels
from spawnpenny.domain.broker import Broker
from spawnpenny.domain.events import Notify
from spawnpenny.domain.hashes import content_hash
from spawnpenny.domain.names import Names
from spawnpenny.domain.users import User
from spawnpenny.errors import NotOursError, PluginError, SpawnError
from spawnpenny.kubernetes.altered_objects import demand_unaltered
from spawnpenny.kubernetes.deletion import until_gone
from spawnpenny.kubernetes.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    InvalidObjectError,
    ObjectAlteredError,
)
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.kubernetes.pods.grace_period import grace_of
from spawnpenny.kubernetes.pods.quota_lag import created
from spawnpenny.kubernetes.pods.wait import Listener, PodWatch
from spawnpenny.pipeline.errors import UndeclaredCallError

if TYPE_CHECKING:
    from spawnpenny.kubernetes.object_cache import Watched
    from spawnpenny.pipeline.step import Step


_MAPS_OF_SPECS: Final = {"ResourceQuota": "hard", "NetworkPolicy": "podSelector"}
"""The maps whose keys are all of our choosing; in the rest of a spec the API server has defaults of its own."""


@dataclass(frozen=True)
class OwnershipLabels:
    """The labels of one spawn's objects, and the uids of those that it made (shared with the record).

    ``token`` is the hash of the lab's own token, where it has one.
    """

    installation: str
    username: str
    kind: str
    spawn: str
    names: Names
    uids: dict[str, str]
    origin: str = ""
    token: str = ""

    def labels(self, *, own: bool) -> dict[str, str]:
        common = {**labels.ours(self.installation), labels.USER: self.names.user}
        if own:
            common |= {labels.KIND: self.kind, labels.LAB: self.names.lab, labels.SPAWN: self.spawn}
        return common


@dataclass(frozen=True)
class Dependencies:
    """Dependencies shared by the cluster interfaces of all steps.

    The cluster, the cache of pods, the broker, and the callback for messages to the user.
    """

    cluster: Cluster
    pods: Watched
    broker: Broker
    notify: Notify
    suspect: Callable[[SpawnError | None], None]
    notice: Callable[[Manifest], None]
    claimed: Callable[[str], None]
    namespace: Callable[[], str]
    waits: Callable[[], None]
    scrub: Callable[[str], str]
    slow: float
    told: asyncio.Semaphore


class StepCluster:
    """The cluster, for one step.

    Every verb refuses, before any call is made, what the step's ``permissions`` do not declare. A call that
    changes something is never broken off: a cancellation is raised when it has been answered.
    """

    def __init__(self, step: Step, marks: OwnershipLabels, dependencies: Dependencies, user: User) -> None:
        self._step = step
        self._marks = marks
        self._dependencies = dependencies
        self._user = user

    async def ensure(self, manifest: Manifest, *, resource: Resource | None = None, patch: bool = True) -> Manifest:
        """Create an object in the user namespace, and return it as stored.

        Where one of that name is there already, a ``spawn`` step keeps it if it carries this spawn's mark (it needs
        ``get`` for that), and a ``user`` step patches it (``patch``), or with ``patch=False`` keeps it likewise.
        Namespace, labels and annotations are added here. Kinds that spawnpenny does not know need ``resource``.

        Raises:
            NotOursError: Something else has the name.
            ClusterError: The cluster refused.

        """
        resource = resource or resource_of(manifest["kind"])
        self._demand("create", resource)
        marked = self.marked(manifest)
        if fault := labels.labels_fault(marked["metadata"]["labels"]):  # the API server says not which one it means
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            raise InvalidObjectError(f"The cluster takes no {kind} {name} like this. {fault}")
        ref = Ref.of(marked, resource)

        async def ensured() -> Manifest:
            return await uninterrupted(self._ensure(marked, ref, patch=patch))

        if resource.kind != "Pod" or _is_part(marked):  # parts are tried again by who looks after them
            return await ensured()
        return await created(ensured, self._dependencies.pods, self._marks.names.namespace, self._dependencies.notify)

    async def change(self, there: Manifest, patch: Manifest) -> Manifest:
        """Merge a patch (RFC 7386) into an object of this user that ``read`` returned; return it as stored.

        Raises:
            NotOursError: The object does not carry our marks.
            ClusterError: The cluster refused, or the object has changed since.

        """
        resource = resource_of(there["kind"])
        self._demand("patch", resource, there["metadata"]["name"])
        ref = Ref.of(there, resource)
        if not self.is_ours(there):
            raise NotOursError(str(ref))
        metadata = {**patch.get("metadata", {}), "resourceVersion": there["metadata"]["resourceVersion"]}
        return await uninterrupted(self._dependencies.cluster.patch(ref, {**patch, "metadata": metadata}))

    async def discard(
        self, kind: str | Resource, name: str, *, grace: int | None = None, labels: Mapping[str, str] | None = None
    ) -> None:
        """Delete an object that this spawn made; one that is absent or carries another mark is left as it is.

        It uses ``delete``, and ``get`` where it is not known what this spawn made, as after a restart. Returns when a
        pod is gone, with its containers; any other object at once. ``grace`` is in seconds: without it, a pod has the
        ``terminationGracePeriodSeconds`` of its own spec. A ``user`` step deletes what carries the user's marks, and
        all of ``labels``.
        """
        resource = kind if isinstance(kind, Resource) else resource_of(kind)
        self._demand("delete", resource, name)
        ref = Ref(resource, name, self._marks.names.namespace)
        uid = await uninterrupted(self._discard(ref, grace, labels or {}))
        if uid is not None and resource.kind == "Pod":
            await until_gone(self._dependencies.cluster, self._dependencies.pods, ref, uid)

    async def read(self, kind: str | Resource, name: str) -> Manifest | None:
        """Return an object of the user namespace, or None."""
        resource = kind if isinstance(kind, Resource) else resource_of(kind)
        self._demand("get", resource, name)
        return await self._dependencies.cluster.read(Ref(resource, name, self._marks.names.namespace))

    async def list(self, kind: str | Resource, labels: Mapping[str, str] | None = None) -> tuple[Manifest, ...]:
        """Return the objects of the user namespace that carry all of the labels."""
        resource = kind if isinstance(kind, Resource) else resource_of(kind)
        self._demand("list", resource)
        listing = await self._dependencies.cluster.list(resource, namespace=self._marks.names.namespace, labels=labels)
        return listing.items

    def pods(self) -> tuple[Manifest, ...]:
        """Return the pods of this spawn from the cache: no call is made."""
        found = self._dependencies.pods.within(self._marks.names.namespace)
        return tuple(pod for pod in found if self.is_ours(pod))

    async def remove(self, pod: Manifest, *, wait: bool = False) -> None:
        """Delete a pod of this spawn that ``ensure`` or ``pods`` returned, by its uid; one that is gone is fine.

        ``wait`` has it return when the pod is gone, with its containers.

        Raises:
            NotOursError: The pod does not carry our marks.
            ClusterError: The cluster refused.

        """
        ref = Ref.of(pod)
        self._demand("delete", ref.resource, ref.name)
        if not self.is_ours(pod):
            raise NotOursError(str(ref))
        uid = pod["metadata"]["uid"]
        with suppress(ConflictError):  # another pod has the name by now
            delete = self._dependencies.cluster.delete(ref, uid=uid, grace=grace_of(pod))
            if await uninterrupted(delete) and wait:
                await until_gone(self._dependencies.cluster, self._dependencies.pods, ref, uid)

    async def wait(self, pod: Manifest, *, until: Literal["ready", "succeeded"] = "ready") -> Manifest:
        """Wait for a pod that ``ensure`` returned; the user is informed of the cause of a delay.

        Raises:
            SpawnError: It cannot become so: its image cannot be pulled, it crashes, it was deleted.

        """
        self._dependencies.waits()
        watch = self._watch(Ref.of(pod), pod["metadata"]["uid"])
        return await (watch.ready() if until == "ready" else watch.succeeded())

    async def claim_namespace(self) -> None:
        """Ask the broker to make the user's namespace, or find it there."""
        self._demand("claim", None)
        self._dependencies.claimed(await uninterrupted(self._dependencies.broker.claim_namespace(self._user.username)))

    async def release_namespace(self, *, purge: bool = False) -> None:
        """Ask the broker to delete the user's namespace, if it exists, with all that is in it.

        Raises:
            VolumesKeptError: A volume claim lives there, and ``purge`` is not set or not allowed by the broker.

        """
        self._demand("release", None)
        if uid := self._dependencies.namespace():
            broker, username = self._dependencies.broker, self._user.username
            await uninterrupted(broker.release_namespace(username, uid, purge=purge, foreign=True))

    async def provision(self, order: Literal["commission", "retire"] = "commission") -> None:
        """Ask the broker to run the site's containers of an order with the user's dossier.

        Raises:
            ProvisionError: One failed; the message says which and how.

        """
        self._demand("provision", None)
        await self._dependencies.broker.provision(self._user, order)

    @property
    def marks(self) -> dict[str, str]:
        """The labels that say that an object is of this installation and this user, and a spawn's own its spawn's."""
        return self._marks.labels(own=self._step.scope == "spawn")

    def is_ours(self, manifest: Manifest) -> bool:
        """Return whether an object carries all of ``marks``."""
        carried = manifest["metadata"].get("labels") or {}
        return all(carried.get(key) == value for key, value in self.marks.items())

    def namespace_hash(self) -> str:
        """Return what changes when the site has namespaces made otherwise."""
        return self._dependencies.broker.namespace_hash()

    def order_hash(self, order: Literal["commission", "retire"] = "commission") -> str:
        """Return what changes when the site changes the order."""
        return self._dependencies.broker.order_hash(order)

    def _demand(self, verb: str, resource: Resource | None, name: str = "") -> None:
        if not self._declares(verb, resource, name):
            raise UndeclaredCallError(self._step.name, verb, resource.plural if resource else "broker")

    def _declares(self, verb: str, resource: Resource | None, name: str) -> bool:
        declared = [p for p in self._step.permissions if p.resource == resource and verb in p.verbs]
        return any(not p.names or name in p.names for p in declared)

    def marked(self, manifest: Manifest) -> Manifest:
        """Return an object as ``ensure`` sends it: with its namespace, our labels and annotations. No call is made."""
        metadata: dict[str, Any] = manifest["metadata"]
        own = self._step.scope == "spawn"
        annotations = {labels.USERNAME: self._marks.username}
        if manifest["kind"] != "Secret":  # the hash of a short secret can be guessed
            annotations[labels.HASH] = content_hash(manifest)
        if manifest["kind"] == "Pod":
            annotations[labels.CONTAINER] = self._container_of(manifest)
        if manifest["kind"] == "Pod" and own and not _is_part(manifest):
            annotations[labels.ORIGIN] = self._marks.origin
            if self._marks.token:
                annotations[labels.LAB_KEY] = self._marks.token
        marked = {
            **metadata,
            "namespace": self._marks.names.namespace,
            "labels": {**metadata.get("labels", {}), **self._marks.labels(own=own)},
            "annotations": {**metadata.get("annotations", {}), **annotations},
        }
        return {**manifest, "metadata": marked}

    def _container_of(self, pod: Manifest) -> str:
        """Return the container of a pod that decides: what a webhook adds to the pod comes later, and never does."""
        names = [container["name"] for container in pod["spec"]["containers"]]
        if self._step.container is None:
            return str(names[0])
        if self._step.container not in names:
            raise PluginError(
                f"The step {self._step.name!r} declares the container {self._step.container!r}, "
                f"and its pod has only: {', '.join(names)}."
            )
        return self._step.container

    async def _ensure(self, manifest: Manifest, ref: Ref, *, patch: bool) -> Manifest:
        try:
            stored = await self._dependencies.cluster.create(manifest, ref.resource)
        except AlreadyExistsError:
            stored = await self._found(manifest, ref, patch=patch)
        if self._step.scope == "spawn" and not _is_part(manifest):  # there may be any number of parts
            self._marks.uids[_place(ref)] = stored["metadata"]["uid"]
        try:
            demand_unaltered(manifest, stored)
        except ObjectAlteredError:
            await self._remove_altered(ref, stored["metadata"]["uid"])
            raise
        return stored

    async def _remove_altered(self, ref: Ref, uid: str) -> None:
        """Delete what would not be found again by its labels, unless it is shared by the user's spawns."""
        if self._step.scope == "spawn" and self._declares("delete", ref.resource, ref.name):
            with suppress(ClusterError):  # what was recorded is deleted by its uid when the spawn is undone
                await self._dependencies.cluster.delete(ref, uid=uid)

    async def _found(self, manifest: Manifest, ref: Ref, *, patch: bool) -> Manifest:
        if self._step.scope == "user" and patch:
            self._demand("patch", ref.resource, ref.name)
            return await self._patch(manifest, ref)
        existing = await self._own(ref)
        if existing is None:
            raise NotOursError(str(ref))
        return existing

    async def _patch(self, manifest: Manifest, ref: Ref) -> Manifest:
        patch = {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind"}}
        stored = await self._dependencies.cluster.patch(ref, patch)
        gone = _dropped(manifest, stored)
        return await self._dependencies.cluster.patch(ref, gone) if gone else stored

    async def _own(self, ref: Ref) -> Manifest | None:
        """Return the object, if it is there and carries this spawn's mark."""
        self._demand("get", ref.resource, ref.name)
        existing = await self._dependencies.cluster.read(ref)
        return existing if existing is not None and self.is_ours(existing) else None

    async def _discard(self, ref: Ref, grace: int | None, labels: Mapping[str, str]) -> str | None:
        uid = self._marks.uids.get(_place(ref))
        if uid is None:
            existing = await self._own(ref)
            if existing is None or not labels.items() <= existing["metadata"]["labels"].items():
                return None
            uid = existing["metadata"]["uid"]
        try:
            grace = self._grace(ref, uid) if grace is None else grace
            there_was_one = await self._dependencies.cluster.delete(ref, uid=uid, grace=grace)
        except ConflictError:
            return None  # another object has the name by now: not ours
        return uid if there_was_one else None

    def _grace(self, ref: Ref, uid: str) -> int | None:
        """Return the grace period of a cached pod; None makes the cluster take it from the pod's spec."""
        pod = self._dependencies.pods.get(ref.namespace, ref.name) if ref.resource.kind == "Pod" else None
        return grace_of(pod) if pod is not None and pod["metadata"]["uid"] == uid else None

    def _watch(self, ref: Ref, uid: str) -> PodWatch:
        dependencies = self._dependencies
        listener = Listener(
            dependencies.notify,
            dependencies.suspect,
            dependencies.notice,
            dependencies.scrub,
            dependencies.slow,
            dependencies.told,
        )
        return PodWatch(dependencies.cluster, dependencies.pods, ref, uid, listener)


def _is_part(manifest: Manifest) -> bool:
    return labels.PART in manifest["metadata"].get("labels", {})


def _place(ref: Ref) -> str:
    return f"{ref.resource.kind}/{ref.name}"


def _dropped(manifest: Manifest, stored: Manifest) -> Manifest:
    """Return the patch that removes keys which are no longer wanted: a merge keeps what it does not name."""
    gone: Manifest = {}
    for key in ("data", "binaryData"):
        if stale := _stale(manifest.get(key), stored.get(key)):
            gone[key] = stale
    if (inner := _MAPS_OF_SPECS.get(manifest["kind"])) is not None:
        desired, existing = manifest.get("spec", {}), stored.get("spec", {})
        if stale := _stale(desired.get(inner), existing.get(inner)):
            gone["spec"] = {inner: stale}
    return gone


def _stale(wanted: Manifest | None, there: Manifest | None) -> Manifest:
    """Return what a merge with these keys takes away: those of a map that are not wanted, at any depth."""
    gone: Manifest = {}
    for key, value in sorted((there or {}).items()):
        if key not in (wanted or {}):
            gone[key] = None
        elif wanted and isinstance(value, dict) and (inner := _stale(wanted[key], value)):
            gone[key] = inner
    return gone

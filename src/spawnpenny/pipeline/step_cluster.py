"""The cluster for one step of one spawn: limited to the step's permissions and to the user's namespace."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from spawnpenny.aio.settle import uninterrupted
from spawnpenny.domain import labels
from spawnpenny.domain.users import User
from spawnpenny.errors import NotOursError
from spawnpenny.kubernetes.altered_objects import demand_unaltered
from spawnpenny.kubernetes.deletion import until_gone
from spawnpenny.kubernetes.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    InvalidObjectError,
    ObjectAlteredError,
)
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.kubernetes.pods.grace_period import grace_of
from spawnpenny.kubernetes.pods.quota_lag import created
from spawnpenny.kubernetes.pods.wait import Listener, PodWatch
from spawnpenny.pipeline.dependencies import Dependencies
from spawnpenny.pipeline.errors import UndeclaredCallError
from spawnpenny.pipeline.ownership_labels import OwnershipLabels, is_part
from spawnpenny.pipeline.stale_keys import stale_keys

if TYPE_CHECKING:
    from spawnpenny.pipeline.step import Step


class StepCluster:
    """The cluster, for one step.

    Every method refuses a use that the step's ``permissions`` do not declare, before any call to the cluster. A call
    that changes something is never interrupted: a cancellation is raised after the answer.
    """

    def __init__(self, step: Step, ownership: OwnershipLabels, dependencies: Dependencies, user: User) -> None:
        self._step = step
        self._ownership = ownership
        self._dependencies = dependencies
        self._user = user

    async def ensure(self, manifest: Manifest, *, resource: Resource | None = None, patch: bool = True) -> Manifest:
        """Create an object in the user namespace, and return it as stored.

        If an object of that name exists, a ``spawn`` step keeps it if it has this spawn's labels; it needs ``get`` for
        that. A ``user`` step patches it and needs ``patch``, or with ``patch=False`` keeps it in the same way. This
        method adds namespace, labels and annotations. Kinds that spawnpenny does not know need ``resource``.

        Raises:
            NotOursError: Somebody else's object has the name.
            ClusterError: The cluster refused.

        """
        resource = resource or resource_of(manifest["kind"])
        self._demand("create", resource)
        labelled = self.labelled(manifest)
        if fault := labels.labels_fault(labelled["metadata"]["labels"]):  # the API server does not say which one
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            raise InvalidObjectError(f"The cluster takes no {kind} {name} like this. {fault}")
        ref = Ref.of(labelled, resource)

        async def ensured() -> Manifest:
            return await uninterrupted(self._ensure(labelled, ref, patch=patch))

        if resource.kind != "Pod" or is_part(labelled):  # the step that supervises parts tries again
            return await ensured()
        return await created(
            ensured, self._dependencies.pods, self._ownership.names.namespace, self._dependencies.notify
        )

    async def change(self, existing: Manifest, patch: Manifest) -> Manifest:
        """Merge a patch (RFC 7386) into an object of this user that ``read`` returned; return it as stored.

        Raises:
            NotOursError: The object does not have our labels.
            ClusterError: The cluster refused, or the object has changed since.

        """
        resource = resource_of(existing["kind"])
        self._demand("patch", resource, existing["metadata"]["name"])
        ref = Ref.of(existing, resource)
        if not self.is_ours(existing):
            raise NotOursError(str(ref))
        metadata = {**patch.get("metadata", {}), "resourceVersion": existing["metadata"]["resourceVersion"]}
        return await uninterrupted(self._dependencies.cluster.patch(ref, {**patch, "metadata": metadata}))

    async def discard(
        self, kind: str | Resource, name: str, *, grace: int | None = None, labels: Mapping[str, str] | None = None
    ) -> None:
        """Delete an object that this spawn created. An absent object, or one with other labels, is left alone.

        It needs ``delete``, and ``get`` because a restarted service may not know what this spawn created. It waits
        until a pod is gone with its containers, and for no other object. ``grace`` is in seconds; by default a pod has
        the ``terminationGracePeriodSeconds`` of its spec. A ``user`` step deletes an object that has the user's labels
        and all of ``labels``.
        """
        resource = kind if isinstance(kind, Resource) else resource_of(kind)
        self._demand("delete", resource, name)
        ref = Ref(resource, name, self._ownership.names.namespace)
        uid = await uninterrupted(self._discard(ref, grace, labels or {}))
        if uid is not None and resource.kind == "Pod":
            await until_gone(self._dependencies.cluster, self._dependencies.pods, ref, uid)

    async def read(self, kind: str | Resource, name: str) -> Manifest | None:
        """Return an object of the user namespace, or None."""
        resource = kind if isinstance(kind, Resource) else resource_of(kind)
        self._demand("get", resource, name)
        return await self._dependencies.cluster.read(Ref(resource, name, self._ownership.names.namespace))

    async def list(self, kind: str | Resource, labels: Mapping[str, str] | None = None) -> tuple[Manifest, ...]:
        """Return the objects of the user namespace that have all of the labels."""
        resource = kind if isinstance(kind, Resource) else resource_of(kind)
        self._demand("list", resource)
        listing = await self._dependencies.cluster.list(
            resource, namespace=self._ownership.names.namespace, labels=labels
        )
        return listing.items

    def pods(self) -> tuple[Manifest, ...]:
        """Return the pods of this spawn from the cache: no call is made."""
        found = self._dependencies.pods.within(self._ownership.names.namespace)
        return tuple(pod for pod in found if self.is_ours(pod))

    async def remove(self, pod: Manifest, *, wait: bool = False) -> None:
        """Delete a pod of this spawn that ``ensure`` or ``pods`` returned, by its uid. It may be gone already.

        With ``wait``, it waits until the pod is gone with its containers.

        Raises:
            NotOursError: The pod does not have our labels.
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

    async def wait(self, pod: Manifest, *, until: Literal["ready", "started", "succeeded"] = "ready") -> Manifest:
        """Wait for a pod that ``ensure`` returned, and inform the user of the cause of a delay.

        ``started`` is for kinds that complete: the pod is ready, or its program has succeeded already.

        Raises:
            SpawnError: The pod cannot get there: its image cannot be pulled, it crashes, or it was deleted.

        """
        self._dependencies.waits()
        watch = self._watch(Ref.of(pod), pod["metadata"]["uid"])
        waits = {"ready": watch.ready, "started": watch.started, "succeeded": watch.succeeded}
        return await waits[until]()

    async def claim_namespace(self) -> None:
        """Have the broker create the user's namespace, or find the existing one."""
        self._demand("claim", None)
        self._dependencies.claimed(await uninterrupted(self._dependencies.broker.claim_namespace(self._user.username)))

    async def release_namespace(self, *, purge: bool = False) -> None:
        """Have the broker delete the user's namespace with everything in it, if it exists.

        Raises:
            VolumesKeptError: It has a volume claim, and ``purge`` is not set, or the broker does not allow it.

        """
        self._demand("release", None)
        if uid := self._dependencies.namespace():
            broker, username = self._dependencies.broker, self._user.username
            await uninterrupted(broker.release_namespace(username, uid, purge=purge, foreign=True))

    async def provision(self, order: Literal["commission", "retire"] = "commission") -> None:
        """Have the broker run the site's containers of an order with the user's dossier.

        Raises:
            ProvisionError: A container failed; the message says which, and how.

        """
        self._demand("provision", None)
        await self._dependencies.broker.provision(self._user, order)

    @property
    def ownership_labels(self) -> dict[str, str]:
        """The labels of this step's objects: of the user, and of the spawn for a ``spawn`` step."""
        return self._ownership.labels(self._step)

    def is_ours(self, manifest: Manifest) -> bool:
        """Return whether an object has all of ``ownership_labels``."""
        return self._ownership.owns(self._step, manifest)

    def namespace_hash(self) -> str:
        """Return a hash of the site's rules for user namespaces, for ``fingerprint``."""
        return self._dependencies.broker.namespace_hash()

    def order_hash(self, order: Literal["commission", "retire"] = "commission") -> str:
        """Return a hash of the site's order, for ``fingerprint``."""
        return self._dependencies.broker.order_hash(order)

    def _demand(self, verb: str, resource: Resource | None, name: str = "") -> None:
        if not self._declares(verb, resource, name):
            raise UndeclaredCallError(self._step.name, verb, resource.plural if resource else "broker")

    def _declares(self, verb: str, resource: Resource | None, name: str) -> bool:
        declared = [p for p in self._step.permissions if p.resource == resource and verb in p.verbs]
        return any(not p.names or name in p.names for p in declared)

    def labelled(self, manifest: Manifest) -> Manifest:
        """Return an object as ``ensure`` sends it: with its namespace, our labels and annotations. It makes no call."""
        return self._ownership.labelled(self._step, manifest)

    async def _ensure(self, manifest: Manifest, ref: Ref, *, patch: bool) -> Manifest:
        try:
            stored = await self._dependencies.cluster.create(manifest, ref.resource)
        except AlreadyExistsError:
            stored = await self._found(manifest, ref, patch=patch)
        if self._step.scope == "spawn" and not is_part(manifest):  # there may be any number of parts
            self._ownership.uids[_place(ref)] = stored["metadata"]["uid"]
        try:
            demand_unaltered(manifest, stored)
        except ObjectAlteredError:
            await self._remove_altered(ref, stored["metadata"]["uid"])
            raise
        return stored

    async def _remove_altered(self, ref: Ref, uid: str) -> None:
        """Delete a changed object that could not be found again, unless the user's spawns share it."""
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
        removal = stale_keys(manifest, stored)
        return await self._dependencies.cluster.patch(ref, removal) if removal else stored

    async def _own(self, ref: Ref) -> Manifest | None:
        """Return the object, if it exists and has our labels."""
        self._demand("get", ref.resource, ref.name)
        existing = await self._dependencies.cluster.read(ref)
        return existing if existing is not None and self.is_ours(existing) else None

    async def _discard(self, ref: Ref, grace: int | None, labels: Mapping[str, str]) -> str | None:
        uid = self._ownership.uids.get(_place(ref))
        if uid is None:
            existing = await self._own(ref)
            if existing is None or not labels.items() <= existing["metadata"]["labels"].items():
                return None
            uid = existing["metadata"]["uid"]
        try:
            grace = self._grace(ref, uid) if grace is None else grace
            deleted = await self._dependencies.cluster.delete(ref, uid=uid, grace=grace)
        except ConflictError:
            return None  # another object has the name by now: not ours
        return uid if deleted else None

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
            dependencies.event_reads,
        )
        return PodWatch(dependencies.cluster, dependencies.pods, ref, uid, listener)


def _place(ref: Ref) -> str:
    return f"{ref.resource.kind}/{ref.name}"

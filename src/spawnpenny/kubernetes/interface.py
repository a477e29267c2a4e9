"""The cluster interface: the calls to a Kubernetes cluster that spawnpenny makes.

There are two implementations, ``kubernetes.client`` and ``embedded.cluster``; ``tests/kubernetes`` has one contract
suite for both. Manifests are plain dicts, like the JSON of the Kubernetes API. The verbs are the API's own.
``pipeline.step_cluster`` builds on them what steps may do, with the rules of ``ensure`` and ``discard``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from spawnpenny.kubernetes.kinds import Resource, resource_of

Manifest = dict[str, Any]
"""A Kubernetes object, as JSON."""


@dataclass(frozen=True, slots=True)
class Ref:
    """Reference to an object: its resource, its name, and its namespace (None for a resource without)."""

    resource: Resource
    name: str
    namespace: str | None = None

    @classmethod
    def of(cls, manifest: Manifest, resource: Resource | None = None) -> Ref:
        """Refer to the object that a manifest describes; ``resource`` is needed for kinds that we do not know."""
        metadata = manifest["metadata"]
        return cls(resource or resource_of(manifest["kind"]), metadata["name"], metadata.get("namespace"))

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.resource.kind} {self.name}{where}"


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer to a list; a watch goes on from ``version``."""

    items: tuple[Manifest, ...]
    version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """A change.

    ``object`` is the object after it, or as it was last when it is DELETED. A BOOKMARK has metadata only.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Manifest

    @property
    def version(self) -> str:
        version: str = self.object["metadata"]["resourceVersion"]
        return version


class Cluster(Protocol):
    """A cluster. Every call ends: with an answer, or within the implementation's time limit with ``UnavailableError``.

    All verbs raise ``ClusterForbiddenError`` (denied), ``InvalidObjectError`` (refused as not valid) and
    ``UnavailableError`` (no answer, after retries); those that make or change a pod also
    ``QuotaExceededError``. Passing faults (429, 5xx, resets, the known races of fresh namespaces) are retried
    inside.
    """

    async def create(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        """Create an object and return it as stored; ``resource`` is needed for kinds that we do not know.

        Raises:
            AlreadyExistsError: One of that name exists.
            NotFoundError: Its namespace does not exist.
            TerminatingError: Its namespace is being deleted.

        """
        ...

    async def replace(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        """Replace an object whose ``metadata.resourceVersion`` is still the given one.

        Raises:
            ConflictError: It changed meanwhile.
            NotFoundError: It does not exist.

        """
        ...

    async def patch(self, ref: Ref, patch: Manifest) -> Manifest:
        """Merge ``patch`` into an object (JSON merge patch, RFC 7386) and return it as stored.

        Raises:
            NotFoundError: It does not exist.

        """
        ...

    async def read(self, ref: Ref) -> Manifest | None:
        """Return the object, or None."""
        ...

    async def list(
        self, resource: Resource, *, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Listing:
        """Return the objects of one namespace, or of all, that carry all of the labels."""
        ...

    async def metadata(self, resource: Resource, *, namespace: str) -> tuple[Manifest, ...]:
        """Return kind and metadata of all objects of a namespace; the rest of them is not sent.

        Raises:
            KindNotServedError: The cluster has no such kind.

        """
        ...

    async def delete(
        self, ref: Ref, *, uid: str | None = None, version: str | None = None, grace: int | None = None
    ) -> bool:
        """Delete an object; return whether there was one. A pod or namespace goes some time after the answer.

        Args:
            ref: The object.
            uid: Delete it only if it has this uid.
            version: Delete it only if it still has this resourceVersion.
            grace: Seconds that a pod's processes get to end by themselves; None for the pod's own setting.

        Raises:
            ConflictError: It has another uid, or was changed.

        """
        ...

    def watch(
        self,
        resource: Resource,
        *,
        since: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WatchEvent]:
        """Yield the changes after a version until the cluster ends the stream.

        Raises:
            ExpiredError: The version is too old: list again.

        """
        ...

    async def log(self, ref: Ref, *, container: str, tail: int) -> str:
        """Return the last ``tail`` lines that a container of a pod wrote; empty if there are none (yet).

        Raises:
            NotFoundError: There is no such pod.

        """
        ...

    def service_host(self, namespace: str, name: str) -> str:
        """Return the host at which a Service of this name is or would be reached: a DNS name, or an address."""
        ...

    async def close(self) -> None:
        """Close connections, and end processes if the cluster has its own."""
        ...

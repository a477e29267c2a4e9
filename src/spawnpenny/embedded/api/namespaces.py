"""The life of namespaces: deletion removes their pods first, then all other objects, then themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spawnpenny.embedded.api.refusals import refuse
from spawnpenny.embedded.api.times import timestamp
from spawnpenny.kubernetes.errors import NotFoundError, TerminatingError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from spawnpenny.embedded.api.store import Change, Store, Stored


class Namespaces:
    """Listener of the store that gives new namespaces a ServiceAccount and completes their deletion."""

    def __init__(self, store: Store, end_pod: Callable[[Stored], None]) -> None:
        self._store = store
        self._end_pod = end_pod
        self._namespaces = resource_of("Namespace")
        self._pods = resource_of("Pod")

    def check_open(self, ref: Ref) -> None:
        """Refuse a new object in a namespace that does not exist or is being deleted.

        Raises:
            NotFoundError: The namespace does not exist.
            TerminatingError: The namespace is being deleted.

        """
        stored = self._store.find(Ref(self._namespaces, ref.namespace or ""))
        if stored is None:
            raise refuse(NotFoundError, "create", ref, f"there is no namespace {ref.namespace}")
        if stored.terminating:
            raise refuse(TerminatingError, "create", ref, f"the namespace {ref.namespace} is being deleted")

    def end(self, namespace: Stored) -> None:
        """Begin to delete a namespace; a second call changes nothing."""
        if namespace.terminating:
            return
        manifest = namespace.copy()
        manifest["metadata"]["deletionTimestamp"] = timestamp()
        manifest["status"] = {"phase": "Terminating"}
        self._store.change(namespace, manifest)
        for pod in self._store.select(self._pods, namespace=namespace.ref.name):
            if not pod.terminating:
                self._end_pod(pod)
        self._finish(namespace.ref)

    def follow(self, change: Change) -> None:
        ref = change.after.ref
        if ref.resource.kind == "Namespace" and change.type == "ADDED":
            metadata = {"name": "default", "namespace": ref.name}
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
            self._store.add(Ref.of(account), account)
        if ref.resource.kind == "Pod" and change.type == "DELETED" and ref.namespace is not None:
            self._finish(Ref(self._namespaces, ref.namespace))

    def _finish(self, ref: Ref) -> None:
        namespace = self._store.find(ref)
        if namespace is None or not namespace.terminating or self._store.select(self._pods, namespace=ref.name):
            return
        for stored in self._store.contents(ref.name):
            self._store.remove(stored.ref)
        self._store.remove(ref)

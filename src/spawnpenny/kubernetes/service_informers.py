"""Informers of the service: namespaces, and pods in one of two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spawnpenny.domain import labels
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.list_watch import Followed
from spawnpenny.kubernetes.namespaced_informer import NamespacedInformer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spawnpenny.aio.faults import Faults
    from spawnpenny.kubernetes.interface import Cluster, Manifest
    from spawnpenny.kubernetes.object_cache import Watched


def watch_namespaces(cluster: Cluster, mine: Mapping[str, str]) -> Watched:
    """Return an informer of the namespaces with these labels; the caller runs it."""
    return Informer(cluster, resource_of("Namespace"), labels=mine)


def watch_pods(
    cluster: Cluster, namespaces: Watched, mine: Mapping[str, str], reads: str, faults: Faults | None = None
) -> Watched:
    """Return an informer of the pods with these labels; the caller runs it, and ``namespaces`` too.

    ``faults`` counts the namespaces that cannot be handled.
    """
    pod = resource_of("Pod")
    if reads == "namespace":
        return NamespacedInformer(Followed(cluster, pod, mine), namespaces, _is_a_users, faults)
    return Informer(cluster, pod, labels=mine)


def _is_a_users(namespace: Manifest) -> bool:
    return labels.USER in namespace["metadata"].get("labels", {})

"""Addresses of the schedulers of all Dask clusters, from the pods that the service watches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from spawnpenny.aio.faults import Faults
from spawnpenny.domain import labels
from spawnpenny.domain.contract import DASHBOARD_PORT_NAME, SCHEDULER_PORT_NAME
from spawnpenny.domain.spawns import Kind
from spawnpenny.kubernetes.pods.containers import own_spec
from spawnpenny.kubernetes.pods.status import is_over

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest, WatchEvent


class Schedulers:
    """The schedulers that run, by cluster, as the pods say."""

    def __init__(self, pods: Iterable[Manifest], faults: Faults) -> None:
        self._faults = faults
        self._routes: dict[str, dict[str, Any]] = {}
        # A name is of the cluster that had it first, should it ever come twice.
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", ""))):
            self._keep(pod)

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the route of each cluster."""
        return dict(self._routes)

    def get(self, cluster: str) -> dict[str, Any] | None:
        return self._routes.get(cluster)

    def take(self, event: WatchEvent) -> str | None:
        """Take in a change; return the cluster whose route it changes, if it does."""
        cluster = _cluster_of(event.object)
        if cluster is None:
            return None
        before = self._routes.get(cluster)
        if event.type == "DELETED":
            self._drop(cluster, event.object)
        else:
            self._keep(event.object)
        return cluster if self._routes.get(cluster) != before else None

    def _keep(self, pod: Manifest) -> None:
        cluster = _cluster_of(pod)
        if cluster is None:
            return
        route = None
        with self._faults.isolated("pod", cluster):
            route = _route_of(pod)
        if route is None:
            self._drop(cluster, pod)
        elif self._routes.get(cluster, route)["uid"] == route["uid"]:
            self._routes[cluster] = route

    def _drop(self, cluster: str, pod: Manifest) -> None:
        if self._routes.get(cluster, {}).get("uid") == pod["metadata"].get("uid"):
            self._routes.pop(cluster, None)


def _cluster_of(pod: Manifest) -> str | None:
    """Return the cluster whose scheduler a pod is; None for every other pod."""
    found = pod["metadata"].get("labels", {})
    if found.get(labels.KIND) != Kind.DASK or labels.PART in found:
        return None
    return found.get(labels.LAB) or None


def _route_of(pod: Manifest) -> dict[str, Any] | None:
    """Return the route to a scheduler, from the start of its program until its pod is ordered to end.

    Whether it is ready is not asked: a route that is known before nobody has to wait for, and a scheduler that is too
    busy for its probe goes on.
    """
    metadata, status = pod["metadata"], pod.get("status", {})
    address, ports = status.get("podIP"), _ports(pod)
    going = "deletionTimestamp" in metadata or is_over(pod)
    if not address or status.get("phase") != "Running" or going or SCHEDULER_PORT_NAME not in ports:
        return None
    return {
        "user": metadata.get("annotations", {}).get(labels.USERNAME, ""),
        "uid": metadata["uid"],
        "address": address,
        "tls": ports[SCHEDULER_PORT_NAME],
        "dashboard": ports.get(DASHBOARD_PORT_NAME),
    }


def _ports(pod: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in own_spec(pod).get("ports", ()) if "name" in port}

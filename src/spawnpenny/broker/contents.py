"""Foreign objects: those in a user namespace that are not ours and keep it from being released as idle.

Kubernetes cannot list everything in a namespace. So the kinds are listed here: those of Kubernetes that people
create on purpose, and those that the settings add. Only metadata is read, never the data of a Secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from spawnpenny.kubernetes.errors import KindNotServedError
from spawnpenny.kubernetes.interface import Cluster, Manifest
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.kubernetes.permissions import Permission, allow
from spawnpenny.settings.sections import BrokerSettings

VOLUME_CLAIM: Final = resource_of("PersistentVolumeClaim")
"""A volume claim keeps a namespace in any case, even if it is ours."""
_APPS: Final = "apps/v1"
_KINDS: Final = (
    *(
        resource_of(kind)
        for kind in (
            "Pod",
            "Secret",
            "ConfigMap",
            "Service",
            "ServiceAccount",
            "Role",
            "RoleBinding",
            "NetworkPolicy",
            "ResourceQuota",
            "LimitRange",
        )
    ),
    Resource("v1", "ReplicationController", "replicationcontrollers"),
    Resource("v1", "PodTemplate", "podtemplates"),
    Resource(_APPS, "Deployment", "deployments"),
    Resource(_APPS, "StatefulSet", "statefulsets"),
    Resource(_APPS, "DaemonSet", "daemonsets"),
    Resource(_APPS, "ReplicaSet", "replicasets"),
    Resource("batch/v1", "Job", "jobs"),
    Resource("batch/v1", "CronJob", "cronjobs"),
    Resource("networking.k8s.io/v1", "Ingress", "ingresses"),
    Resource("autoscaling/v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Resource("batch/v1beta1", "CronJob", "cronjobs"),  # this and the next: before Kubernetes 1.21
    Resource("policy/v1beta1", "PodDisruptionBudget", "poddisruptionbudgets"),
)
"""Without Endpoints, EndpointSlices, Events and Leases: programs of the cluster create those by themselves."""
_ACCOUNT: Final = "kubernetes.io/service-account.name"
_PARALLEL: Final = 4


def permissions(settings: BrokerSettings) -> tuple[Permission, ...]:
    """Return the permissions that ``find_foreign`` needs in a user namespace."""
    return tuple(allow("list", on=resource) for resource in (VOLUME_CLAIM, *_resources(settings)))


async def find_foreign(cluster: Cluster, namespace: str, ours: Mapping[str, str], settings: BrokerSettings) -> str:
    """Return the kinds and names of some objects that are not ours; empty if all are.

    An object is ours if it has our labels, or if its owner references lead to such an object. Objects that Kubernetes
    itself creates, and those that ``broker.ignore`` names, do not count.
    """
    limit = asyncio.Semaphore(_PARALLEL)

    async def list_metadata(resource: Resource) -> tuple[Manifest, ...]:
        async with limit:
            try:
                return await cluster.metadata(resource, namespace=namespace)
            except KindNotServedError:
                return ()

    lists = await asyncio.gather(*(list_metadata(resource) for resource in _resources(settings)))
    found = [manifest for manifests in lists for manifest in manifests]
    own = _own_uids(found, ours)
    return _summary(
        _name(manifest)
        for manifest in found
        if manifest["metadata"]["uid"] not in own and not _is_ignored(manifest, settings)
    )


def _resources(settings: BrokerSettings) -> Iterator[Resource]:
    yield from _KINDS
    for text in settings.keep_for:
        plural, _, rest = text.partition(".")
        group, _, version = rest.partition("/")
        yield Resource(f"{group}/{version}", plural, plural)


def _own_uids(found: list[Manifest], ours: Mapping[str, str]) -> set[str]:
    own = {
        manifest["metadata"]["uid"]
        for manifest in found
        if ours.items() <= (manifest["metadata"].get("labels") or {}).items()
    }
    while more := {
        manifest["metadata"]["uid"]
        for manifest in found
        if manifest["metadata"]["uid"] not in own
        and any(owner["uid"] in own for owner in manifest["metadata"].get("ownerReferences") or ())
    }:
        own |= more
    return own


def _is_ignored(manifest: Manifest, settings: BrokerSettings) -> bool:
    name = _name(manifest)
    return _is_kubernetes(manifest, name) or any(fnmatchcase(name, pattern) for pattern in settings.ignore)


def _is_kubernetes(manifest: Manifest, name: str) -> bool:
    """Return whether an object is one that Kubernetes creates in every namespace."""
    if name in {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}:
        return True
    account = (manifest["metadata"].get("annotations") or {}).get(_ACCOUNT)
    return account == "default" and name.startswith("Secret/default-token-")  # before Kubernetes 1.24


def _name(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def _summary(names: Iterator[str], limit: int = 3) -> str:
    found = sorted(set(names))
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return f"{', '.join(found[:limit])}{more}"

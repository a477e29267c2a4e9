"""Find objects in a user namespace that are not ours and keep it from being released as idle.

Kubernetes cannot list everything in a namespace, so the kinds are named: those of Kubernetes itself that somebody
makes on purpose, and those that the settings add. Only metadata is read, never what a Secret holds.
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
"""Keeps a namespace in any case, also where it is ours."""
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
    Resource("batch/v1beta1", "CronJob", "cronjobs"),  # before Kubernetes 1.21, as the next one
    Resource("policy/v1beta1", "PodDisruptionBudget", "poddisruptionbudgets"),
)
"""Not Endpoints, EndpointSlices, Events and Leases: programs of the cluster make those beside something else."""
_ACCOUNT: Final = "kubernetes.io/service-account.name"
_AT_ONCE: Final = 4


def permissions(settings: BrokerSettings) -> tuple[Permission, ...]:
    """Return what looking into a user namespace needs there."""
    return tuple(allow("list", on=resource) for resource in (VOLUME_CLAIM, *_resources(settings)))


async def find_foreign(cluster: Cluster, namespace: str, ours: Mapping[str, str], settings: BrokerSettings) -> str:
    """Return the kinds and names of some objects that are not ours; empty where all are.

    Ours is what carries our labels, and what belongs to such an object by its owner references. Kubernetes' own
    objects, and those that ``broker.ignore`` names, do not count.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(resource: Resource) -> tuple[Manifest, ...]:
        async with slots:
            try:
                return await cluster.metadata(resource, namespace=namespace)
            except KindNotServedError:
                return ()

    lists = await asyncio.gather(*(look(resource) for resource in _resources(settings)))
    found = [each for listed in lists for each in listed]
    own = _own_uids(found, ours)
    return _few(_name(each) for each in found if each["metadata"]["uid"] not in own and not _ignored(each, settings))


def _resources(settings: BrokerSettings) -> Iterator[Resource]:
    yield from _KINDS
    for text in settings.keep_for:
        plural, _, rest = text.partition(".")
        group, _, version = rest.partition("/")
        yield Resource(f"{group}/{version}", plural, plural)


def _own_uids(found: list[Manifest], ours: Mapping[str, str]) -> set[str]:
    own = {each["metadata"]["uid"] for each in found if ours.items() <= (each["metadata"].get("labels") or {}).items()}
    while more := {
        each["metadata"]["uid"]
        for each in found
        if each["metadata"]["uid"] not in own
        and any(owner["uid"] in own for owner in each["metadata"].get("ownerReferences") or ())
    }:
        own |= more
    return own


def _ignored(manifest: Manifest, settings: BrokerSettings) -> bool:
    name = _name(manifest)
    return _is_kubernetes(manifest, name) or any(fnmatchcase(name, pattern) for pattern in settings.ignore)


def _is_kubernetes(manifest: Manifest, name: str) -> bool:
    """Return whether Kubernetes itself puts an object into each namespace."""
    if name in {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}:
        return True
    account = (manifest["metadata"].get("annotations") or {}).get(_ACCOUNT)
    return account == "default" and name.startswith("Secret/default-token-")  # before Kubernetes 1.24


def _name(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def _few(names: Iterator[str], most: int = 3) -> str:
    found = sorted(set(names))
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return f"{', '.join(found[:most])}{more}"

"""Snapshots of the objects in user namespaces, and the differences between two of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.domain import labels
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of

if TYPE_CHECKING:
    from spawnpenny.domain.names import Names

Snapshot = Mapping[Ref, Manifest]
_CHANGED_BY_CLUSTER: Final = frozenset({"Pod", "PersistentVolumeClaim", "Service"})
"""Kinds whose spec the cluster completes after the answer to a create."""
_OF_ACCOUNT: Final = "kubernetes.io/service-account-token"
_MADE_BY_CLUSTER: Final = frozenset({"kube-root-ca.crt", "default"})


async def take_snapshot(cluster: Cluster, namespaces: Collection[str], resources: Collection[Resource]) -> Snapshot:
    """Return the objects of these resources in these namespaces, and the namespaces themselves."""
    lists_of_resources = [
        cluster.list(resource, namespace=namespace)
        for namespace in namespaces
        for resource in resources
        if resource.namespaced
    ]
    references = [Ref(resource_of("Namespace"), namespace) for namespace in namespaces]
    found, lists = await asyncio.gather(
        asyncio.gather(*map(cluster.read, references)), asyncio.gather(*lists_of_resources)
    )
    owners = [resource for _ in namespaces for resource in resources if resource.namespaced]
    snapshot = {ref: item for ref, item in zip(references, found, strict=True) if item is not None}
    for resource, listing in zip(owners, lists, strict=True):
        snapshot |= {Ref.of({**item, "kind": resource.kind}, resource): item for item in listing.items if _ours(item)}
    return snapshot


def lost(before: Snapshot, now: Snapshot) -> list[str]:
    """Return what has happened to the objects of a snapshot: deleted, replaced or changed."""
    return [change for ref, item in before.items() if (change := _change(ref, item, now.get(ref)))]


def contents(snapshot: Snapshot, *, user: str, names: Names, spawn: str) -> Counter[str]:
    """Return the objects as texts that are equal for another user and another spawn.

    Further parts of a spawn, such as workers, have no name in them, as it may be random.
    """
    own = {names.namespace: "<namespace>", spawn: "<spawn>", user: "<user>", names.user: "<user>"}
    return Counter(_text(ref, item, own) for ref, item in snapshot.items())


def with_uids(snapshot: Snapshot) -> dict[str, Any]:
    """Return the uids of all objects, by their names."""
    return {str(ref): item["metadata"]["uid"] for ref, item in snapshot.items()}


def is_part(item: Manifest) -> bool:
    """Return whether it is a further part of a spawn, such as a worker."""
    return labels.PART in (item["metadata"].get("labels") or {})


def _ours(item: Manifest) -> bool:
    """Return whether it is not one of the objects that Kubernetes makes in each namespace."""
    return item["metadata"]["name"] not in _MADE_BY_CLUSTER and item.get("type") != _OF_ACCOUNT


def _change(ref: Ref, before: Manifest, now: Manifest | None) -> str:
    if now is None or "deletionTimestamp" in now["metadata"]:
        return f"{ref} was deleted" if "deletionTimestamp" not in before["metadata"] else ""
    if now["metadata"]["uid"] != before["metadata"]["uid"]:
        return f"{ref} was replaced by another object"
    return f"{ref} was changed" if _own(ref, before) != _own(ref, now) else ""


def _own(ref: Ref, item: Manifest) -> Manifest:
    """Return the part of an object that only a caller changes."""
    metadata = {key: value for key, value in item["metadata"].items() if key in {"name", "labels"}}
    annotations = item["metadata"].get("annotations") or {}
    metadata["annotations"] = {key: value for key, value in annotations.items() if labels.is_own(key)}
    left_out = {"metadata", "status", "apiVersion", "kind"}
    if ref.resource.kind in _CHANGED_BY_CLUSTER or ref.resource.kind == "Namespace":
        left_out.add("spec")
    if ref.resource.kind == "Namespace":
        metadata["labels"] = {}
    return {"metadata": metadata, **{key: value for key, value in item.items() if key not in left_out}}


def _text(ref: Ref, item: Manifest, own: Mapping[str, str]) -> str:
    part = is_part(item)
    content = _own(ref, item)
    del content["metadata"]["annotations"]  # hashes of what is random
    if part:
        del content["metadata"]["name"]
    if ref.resource.kind == "Secret":
        content["data"] = sorted(content.get("data") or {})  # keys and tokens are random
    text = f"{ref.resource.kind} {'(part)' if part else ref.name} {json.dumps(content, sort_keys=True)}"
    for value, placeholder in own.items():
        text = text.replace(value, placeholder)
    return text

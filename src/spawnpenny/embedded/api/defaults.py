"""Defaults that the API server fills in, as far as spawnpenny or its plugins depend on them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest

GRACE_SECONDS: Final = 30

_WITH_STATUS: Final = frozenset(
    {"Namespace", "Pod", "Service", "ResourceQuota", "PersistentVolumeClaim", "NetworkPolicy"}
)
_MAPS_OF_METADATA: Final = ("labels", "annotations")


def fill_in(manifest: Manifest, before: Manifest | None = None) -> None:
    """Complete the manifest of a caller; keep the previous status, which only the cluster writes."""
    kind = manifest["kind"]
    if kind in _WITH_STATUS:
        manifest.pop("status", None)
        status = before.get("status") if before else _FIRST_STATUS.get(kind)
        if status is not None:
            manifest["status"] = status
    match kind:
        case "Secret":
            _fold_string_data(manifest)
        case "Pod":
            _fill_in_pod(manifest["spec"])
        case "Namespace":
            manifest.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
            metadata = manifest["metadata"]
            metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = metadata["name"]
        case _:
            pass
    _drop_empty(manifest["metadata"], _MAPS_OF_METADATA)
    if kind in ("ConfigMap", "Secret"):
        _drop_empty(manifest, ("data", "binaryData"))


_FIRST_STATUS: Final[dict[str, Manifest]] = {
    "Namespace": {"phase": "Active"},
    "Pod": {"phase": "Pending"},
    # A claim is a folder here, which exists at once.
    "PersistentVolumeClaim": {"phase": "Bound"},
}


def _fold_string_data(secret: Manifest) -> None:
    plain = secret.pop("stringData", None) or {}
    if plain:
        data = secret.setdefault("data", None) or {}
        data.update({key: base64.b64encode(value.encode()).decode() for key, value in plain.items()})
        secret["data"] = data
    secret.setdefault("type", "Opaque")


def _fill_in_pod(spec: Manifest) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", GRACE_SECONDS)
    spec.setdefault("serviceAccountName", "default")
    for volume in spec.get("volumes") or ():
        if not volume.keys() - {"name"}:
            volume["emptyDir"] = {}
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        requests_from_limits(container)


def requests_from_limits(container: Manifest) -> None:
    """Set the request to the limit if a container has only a limit."""
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    if limits:
        requests = resources.setdefault("requests", None) or {}
        resources["requests"] = {**limits, **requests}
        container["resources"] = resources


def _drop_empty(target: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if key in target and not target[key]:
            del target[key]

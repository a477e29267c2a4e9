"""Compare an object as sent with the object as stored: admission webhooks may remove its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spawnpenny.domain import labels
from spawnpenny.kubernetes.errors import ObjectAlteredError

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest


def demand_unaltered(sent: Manifest, stored: Manifest) -> None:
    """Refuse a stored object without its labels of ours, or a pod or namespace without its annotations of ours.

    Raises:
        ObjectAlteredError: Some are missing, or the container that decides about a pod is.

    """
    lost = [f"label {key}" for key in _lost(sent, stored, "labels")]
    if sent["kind"] in {"Pod", "Namespace"}:
        lost += [f"annotation {key}" for key in _lost(sent, stored, "annotations")]
    if sent["kind"] == "Pod":
        own = (sent["metadata"].get("annotations") or {}).get(labels.CONTAINER)
        if own and own not in {container["name"] for container in stored["spec"]["containers"]}:
            lost.append(f"container {own}")
    if lost:
        what = f"{sent['kind']} {sent['metadata']['name']}"
        raise ObjectAlteredError(
            f"An admission webhook of the cluster removed or changed what spawnpenny needs of the {what}: "
            f"{', '.join(lost)}.",
            kind=sent["kind"],
            name=sent["metadata"]["name"],
            lost=lost,
        )


def _lost(sent: Manifest, stored: Manifest, part: str) -> list[str]:
    desired: dict[str, Any] = sent["metadata"].get(part) or {}
    answered: dict[str, Any] = stored["metadata"].get(part) or {}
    return sorted(key for key, value in desired.items() if labels.is_own(key) and answered.get(key) != value)

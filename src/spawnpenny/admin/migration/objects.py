"""KubeSpawner's objects in a cluster, read from ``kubectl get … -o json``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.interface import Manifest

USERNAME: Final = "hub.jupyter.org/username"
SERVERNAME: Final = "hub.jupyter.org/servername"
"""KubeSpawner's annotations on pods and claims with the unescaped names."""
RECLAIM: Final = "spawnpenny.io/reclaim-policy"
"""The annotation of a volume that is being moved, with its former reclaim policy."""

GET: Final = "kubectl get namespaces,persistentvolumes,persistentvolumeclaims,pods --all-namespaces -o json"


@dataclass(frozen=True, slots=True)
class Objects:
    """Namespaces and volumes by name; claims and pods in their original order."""

    namespaces: Mapping[str, Manifest]
    volumes: Mapping[str, Manifest]
    claims: tuple[Manifest, ...]
    pods: tuple[Manifest, ...]


def read_objects(text: str) -> Objects:
    """Read the objects that kubectl printed.

    Raises:
        SettingsError: The text is not a list of objects as ``kubectl get`` prints it.

    """
    try:
        items = json.loads(text)["items"]
        kinds: dict[str, list[Manifest]] = defaultdict(list)
        for item in items:
            kinds[item["kind"]].append(item)
        named = {kind: {item["metadata"]["name"]: item for item in kinds[kind]} for kind in kinds}
    except (ValueError, TypeError, KeyError):
        raise SettingsError(f"The file of objects is not valid. Write it again with: {GET}") from None
    return Objects(
        named.get("Namespace", {}),
        named.get("PersistentVolume", {}),
        tuple(kinds["PersistentVolumeClaim"]),
        tuple(kinds["Pod"]),
    )


def annotation(manifest: Manifest, key: str) -> str:
    """Return an annotation; empty if the object does not have it."""
    value: Any = (manifest["metadata"].get("annotations") or {}).get(key)
    return value or ""

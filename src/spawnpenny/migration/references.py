"""References of pods to objects of the Hub's namespace, which user namespaces lack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.cluster.port import Manifest

_VOLUMES: Final = {
    "persistentVolumeClaim": ("claimName", "volume claim"),
    "configMap": ("name", "ConfigMap"),
    "secret": ("secretName", "Secret"),
}
_VARIABLES: Final = {
    "configMapKeyRef": "ConfigMap",
    "configMapRef": "ConfigMap",
    "secretKeyRef": "Secret",
    "secretRef": "Secret",
}


def references(pod: Manifest) -> set[tuple[str, str]]:
    """Return the kinds and names of the objects that a pod cannot start without."""
    return set(_references(pod["spec"]))


def _references(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes") or ():
        sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        for source in sources:
            for kind, (key, told) in _VOLUMES.items():
                found = source.get(kind) or {}
                name = found.get(key) or found.get("name")
                if name and not found.get("optional"):
                    yield told, name
    for secret in spec.get("imagePullSecrets") or ():
        yield "Secret", secret["name"]
    if spec.get("serviceAccountName") not in {None, "", "default"}:
        yield "service account", spec["serviceAccountName"]
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        yield from _of_variables(container)


def _of_variables(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    sources = [each.get("valueFrom") or {} for each in container.get("env") or ()]
    for source in (*sources, *(container.get("envFrom") or ())):
        for kind, told in _VARIABLES.items():
            found = source.get(kind) or {}
            if found.get("name") and not found.get("optional"):
                yield told, found["name"]

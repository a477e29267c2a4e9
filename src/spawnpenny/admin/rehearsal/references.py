"""References of pods and volume claims to other objects: Secrets, classes, service accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.kinds import Resource
from spawnpenny.kubernetes.pods.security_standards import containers

SERVICE_ACCOUNT: Final = Resource("v1", "ServiceAccount", "serviceaccounts")
PRIORITY_CLASS: Final = Resource("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", namespaced=False)
RUNTIME_CLASS: Final = Resource("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", namespaced=False)
STORAGE_CLASS: Final = Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
SECRET: Final = Resource("v1", "Secret", "secrets")
CONFIG_MAP: Final = Resource("v1", "ConfigMap", "configmaps")
CLAIM: Final = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
_BUILT_IN: Final = frozenset({"system-node-critical", "system-cluster-critical"})


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that another one needs; ``namespace`` is empty for objects of the whole cluster."""

    resource: Resource
    name: str
    namespace: str
    needed_by: str

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.resource.kind} {self.name}{where}"


def references_of(manifest: Manifest) -> Iterator[Reference]:
    """Yield the objects that an object refers to and cannot do without."""
    kind, metadata = manifest["kind"], manifest["metadata"]
    space, by = str(metadata.get("namespace") or ""), f"{kind} {metadata['name']}"
    if kind == "PersistentVolumeClaim":
        name = (manifest.get("spec") or {}).get("storageClassName")
        if name:
            yield Reference(STORAGE_CLASS, name, "", by)
    if kind == "Pod":
        found = dict.fromkeys(_of_pod(manifest["spec"]))
        yield from (Reference(resource, name, space if resource.namespaced else "", by) for resource, name in found)


def _of_pod(spec: Mapping[str, Any]) -> Iterator[tuple[Resource, str]]:
    if (name := spec.get("serviceAccountName") or "default") != "default":
        yield SERVICE_ACCOUNT, name
    if (name := spec.get("priorityClassName")) and name not in _BUILT_IN:
        yield PRIORITY_CLASS, name
    if name := spec.get("runtimeClassName"):
        yield RUNTIME_CLASS, name
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume)
    for container in containers(spec):
        yield from _of_container(container)


def _of_volume(volume: Mapping[str, Any]) -> Iterator[tuple[Resource, str]]:
    projected = (volume.get("projected") or {}).get("sources") or ()
    for resource, key, name in (
        (SECRET, "secret", "secretName"),
        (CONFIG_MAP, "configMap", "name"),
        (CLAIM, "persistentVolumeClaim", "claimName"),
    ):
        source = volume.get(key) or {}
        if source.get(name) and not source.get("optional"):
            yield resource, source[name]
        for projection in projected:
            inner = projection.get(key) or {}
            if inner.get("name") and not inner.get("optional"):
                yield resource, inner["name"]


def _of_container(container: Mapping[str, Any]) -> Iterator[tuple[Resource, str]]:
    pairs = (SECRET, "secretRef", "secretKeyRef"), (CONFIG_MAP, "configMapRef", "configMapKeyRef")
    for resource, whole, key in pairs:
        for variables in container.get("envFrom") or ():
            source = variables.get(whole) or {}
            if source.get("name") and not source.get("optional"):
                yield resource, source["name"]
        for variable in container.get("env") or ():
            source = (variable.get("valueFrom") or {}).get(key) or {}
            if source.get("name") and not source.get("optional"):
                yield resource, source["name"]


def pull_secrets(manifest: Manifest) -> Iterator[str]:
    """Yield the names of the pull secrets of a pod; a missing one is not an error by itself."""
    if manifest["kind"] == "Pod":
        for secret in manifest["spec"].get("imagePullSecrets") or ():
            if secret.get("name"):
                yield secret["name"]

"""What the API server refuses as not valid, as far as it matters: names, labels, paths that lead away."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from spawnpenny.embedded.refusals import refuse
from spawnpenny.errors import InvalidObjectError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spawnpenny.cluster.port import Manifest, Ref

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DNS_LABEL: Final = re.compile(_LABEL, re.ASCII)
_DNS_SUBDOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*", re.ASCII)
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_LABEL_NAME: Final = re.compile(rf"({_LABEL}(\.{_LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?", re.ASCII)
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
_SHORT_NAMES: Final = frozenset({"Namespace", "Service"})
# RBAC names are path segments: `system:admin` is one.
_FREE_NAMES: Final = frozenset({"RoleBinding"})
SERVED_VOLUMES: Final = frozenset({"configMap", "emptyDir", "persistentVolumeClaim", "secret"})
_POLICIES: Final = ("Always", "OnFailure", "Never")


def validate(verb: str, ref: Ref, manifest: Manifest) -> None:
    """Refuse an object that Kubernetes would refuse.

    Raises:
        InvalidObjectError: The message says what is wrong, all of it.

    """
    faults = [*_faults_of_names(ref), *_faults_of_labels(manifest)]
    match ref.resource.kind:
        case "Pod":
            faults += _faults_of_pod(manifest.get("spec") or {})
        case "Secret" | "ConfigMap":
            faults += _faults_of_keys(manifest)
        case _:
            pass
    if faults:
        raise refuse(InvalidObjectError, verb, ref, "; ".join(faults))


def is_inside(path: str) -> bool:
    """Say whether a relative path stays in the folder that it starts from."""
    parts = PurePosixPath(path)
    return bool(path) and not parts.is_absolute() and ".." not in parts.parts


def _faults_of_names(ref: Ref) -> Iterator[str]:
    form = _DNS_LABEL if ref.resource.kind in _SHORT_NAMES else _DNS_SUBDOMAIN
    if ref.resource.kind not in _FREE_NAMES and not form.fullmatch(ref.name):
        yield f"metadata.name: {ref.name!r} is not a valid name (RFC 1123: lower case, digits, '-' and '.')"
    if ref.resource.namespaced and ref.namespace is None:
        yield "metadata.namespace: is missing"


def _faults_of_labels(manifest: Manifest) -> Iterator[str]:
    for name, value in (manifest["metadata"].get("labels") or {}).items():
        if not _LABEL_NAME.fullmatch(name):
            yield f"metadata.labels: {name!r} is not a valid name"
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            yield f"metadata.labels: the value of {name} is not valid"


def _faults_of_keys(manifest: Manifest) -> Iterator[str]:
    for part in ("data", "binaryData", "stringData"):
        for key, value in (manifest.get(part) or {}).items():
            if not _KEY.fullmatch(key) or key in (".", "..") or key.startswith("../"):
                yield f"{part}: {key!r} is not a valid key (letters, digits, '-', '_' and '.')"
            if not isinstance(value, str):
                yield f"{part}: the value of {key!r} is not a string"


def _faults_of_volumes(spec: Manifest) -> Iterator[str]:
    """Tell of volumes that no node here will ever mount, rather than have their pod wait for them."""
    for volume in spec.get("volumes") or ():
        kinds = sorted(volume.keys() - {"name"})
        if not set(kinds) & SERVED_VOLUMES or len(kinds) > 1:
            yield (
                f"spec.volumes: {volume.get('name')} is of the kind {', '.join(kinds) or 'none'}, which the embedded "
                f"cluster cannot mount: it has {', '.join(sorted(SERVED_VOLUMES))}"
            )


def _faults_of_pod(spec: Manifest) -> Iterator[str]:
    if not spec.get("containers"):
        yield "spec.containers: is missing"
    if spec.get("restartPolicy", "Always") not in _POLICIES:
        yield f"spec.restartPolicy: is not one of {', '.join(_POLICIES)}"
    yield from _faults_of_volumes(spec)
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    names: set[str] = set()
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        name = str(container.get("name", ""))
        if not _DNS_LABEL.fullmatch(name):
            yield f"spec.containers: {name!r} is not a valid name"
        if not container.get("image"):
            yield f"spec.containers: {name} has no image"
        if name in names:
            yield f"spec.containers: there are two of the name {name!r}"
        names.add(name)
        yield from _faults_of_mounts(container, volumes)


def _faults_of_mounts(container: Manifest, volumes: set[str]) -> Iterator[str]:
    for mount in container.get("volumeMounts") or ():
        if mount.get("name") not in volumes:
            yield f"spec.containers: {container['name']} mounts {mount.get('name')!r}, which is no volume"
        if not mount.get("mountPath"):
            yield f"spec.containers: {container['name']} has a mount without mountPath"
        if mount.get("subPathExpr"):
            yield f"spec.containers: {container['name']} has a subPathExpr, which the embedded cluster does not expand"
        if mount.get("subPath") and not is_inside(mount["subPath"]):
            yield f"spec.containers: the subPath {mount['subPath']!r} leaves its volume"

"""Rules for a volume: its name and its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.domain.quantities import parse_quantity
from spawnpenny.embedded.api.rules.fault import Fault
from spawnpenny.embedded.api.rules.names import DNS_LABEL, DNS_SUBDOMAIN

_NEEDED: Final = {
    "hostPath": ("path",),
    "nfs": ("server", "path"),
    "secret": ("secretName",),
    "configMap": ("name",),
    "persistentVolumeClaim": ("claimName",),
    "csi": ("driver",),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "glusterfs": ("endpoints", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
}
"""The required fields of sources (k8s.io/api/core/v1 ``VolumeSource``)."""
_ABSOLUTE: Final = frozenset({"nfs"})
_NAMES: Final = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName"}
_LARGEST_MODE: Final = 0o777


def faults_of_volume(volume: Mapping[str, Any]) -> Iterator[Fault]:
    name = str(volume.get("name", ""))
    if not DNS_LABEL.fullmatch(name):
        yield Fault("spec.volumes", f"{name!r} is not a valid name (at most 63 of a-z 0-9 -)", name)
    sources = [key for key in volume if key != "name" and volume[key] is not None]
    if len(sources) > 1:
        yield Fault("spec.volumes", f"{name} has more than one source: {', '.join(sources)}", name)
    for kind in sources:
        source = volume[kind]
        if isinstance(source, Mapping):
            yield from _source(name, kind, source)


def _source(name: str, kind: str, source: Mapping[str, Any]) -> Iterator[Fault]:
    path = f"spec.volumes[{name}].{kind}"
    for key in _NEEDED.get(kind, ()):
        if not source.get(key):
            yield Fault(path, f"needs {key}", name)
    named = str(source.get(_NAMES.get(kind, "")) or "")
    if named and not DNS_SUBDOMAIN.fullmatch(named):
        yield Fault(path, f"{named!r} is not a valid name", named)
    yield from _files(path, name, kind, source)
    for item in source.get("items") or ():
        if not item.get("key") or not item.get("path"):
            yield Fault(path, "each of items needs key and path", name)


def _files(path: str, name: str, kind: str, source: Mapping[str, Any]) -> Iterator[Fault]:
    if kind in _ABSOLUTE and not str(source.get("path") or "/").startswith("/"):
        yield Fault(path, f"{source['path']!r} is not an absolute path", name)
    if kind == "hostPath" and ".." in str(source.get("path") or "").split("/"):
        yield Fault(path, f"{source['path']!r} may not have .. in it", name)
    if kind == "emptyDir" and source.get("sizeLimit") is not None:
        yield from _size(path, source["sizeLimit"], name)
    mode = source.get("defaultMode")
    if isinstance(mode, int) and not 0 <= mode <= _LARGEST_MODE:
        yield Fault(path, f"defaultMode {mode} is not from 0 to 0777", name)


def _size(path: str, size: Any, name: str) -> Iterator[Fault]:
    try:
        parse_quantity(size)
    except ValueError as error:
        yield Fault(path, f"sizeLimit: {error}", name)

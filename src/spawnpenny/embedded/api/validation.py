"""Validate objects as the API server does: names, labels, pods, volume claims, paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spawnpenny.embedded.api.refusals import refuse
from spawnpenny.embedded.api.rules.claims import faults_of_claim
from spawnpenny.embedded.api.rules.containers import is_inside
from spawnpenny.embedded.api.rules.fault import Fault
from spawnpenny.embedded.api.rules.names import (
    DNS_LABEL,
    DNS_SUBDOMAIN,
    faults_of_annotations,
    faults_of_keys,
    faults_of_labels,
)
from spawnpenny.embedded.api.rules.pods import faults_of_pod
from spawnpenny.embedded.api.rules.served import faults_of_unserved
from spawnpenny.kubernetes.errors import InvalidObjectError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spawnpenny.kubernetes.interface import Manifest, Ref

__all__ = ["faults_of", "is_inside", "validate"]

_SHORT_NAMES: Final = frozenset({"Namespace", "Service"})
# RBAC names are path segments: `system:admin` is one.
_FREE_NAMES: Final = frozenset({"RoleBinding"})


def validate(verb: str, ref: Ref, manifest: Manifest) -> None:
    """Refuse an object that Kubernetes would refuse.

    Raises:
        InvalidObjectError: The object is not valid; the message lists all faults.

    """
    unserved = faults_of_unserved(manifest.get("spec") or {}) if ref.resource.kind == "Pod" else ()
    if faults := [*faults_of(ref, manifest), *unserved]:
        raise refuse(InvalidObjectError, verb, ref, "; ".join(map(str, faults)))


def faults_of(ref: Ref, manifest: Manifest) -> Iterator[Fault]:
    """Yield all faults for which Kubernetes would refuse an object as not valid."""
    yield from _faults_of_names(ref)
    metadata = manifest["metadata"]
    yield from faults_of_labels(metadata.get("labels") or {}, "metadata.labels")
    yield from faults_of_annotations(metadata.get("annotations") or {}, "metadata.annotations")
    match ref.resource.kind:
        case "Pod":
            yield from faults_of_pod(manifest.get("spec") or {})
        case "Secret" | "ConfigMap":
            yield from faults_of_keys(manifest)
        case "PersistentVolumeClaim":
            yield from faults_of_claim(manifest.get("spec") or {})
        case _:
            pass


def _faults_of_names(ref: Ref) -> Iterator[Fault]:
    form = DNS_LABEL if ref.resource.kind in _SHORT_NAMES else DNS_SUBDOMAIN
    if ref.resource.kind not in _FREE_NAMES and not form.fullmatch(ref.name):
        yield Fault(
            "metadata.name", f"{ref.name!r} is not a valid name (RFC 1123: lower case, digits, '-' and '.')", ref.name
        )
    if ref.resource.namespaced and ref.namespace is None:
        yield Fault("metadata.namespace", "is missing")

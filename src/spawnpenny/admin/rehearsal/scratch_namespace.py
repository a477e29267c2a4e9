"""A user's namespace in memory: it validates objects as an API server does, against the quota too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from spawnpenny.embedded.api.admission import Admission
from spawnpenny.embedded.api.defaults import fill_in
from spawnpenny.embedded.api.rules.fault import Fault
from spawnpenny.embedded.api.rules.resources import faults_of_resources
from spawnpenny.embedded.api.store import Store
from spawnpenny.embedded.api.validation import faults_of
from spawnpenny.errors import QuotaExceededError
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of

_PARTS: Final = ("initContainers", "containers")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The reasons why an object is refused; empty if it is accepted.

    Attributes:
        faults: Faults in the object itself.
        beside_range: Faults that come from the defaults of a LimitRange.
        refusal: The refusal of a ResourceQuota.

    """

    faults: tuple[Fault, ...] = ()
    beside_range: tuple[Fault, ...] = ()
    refusal: ClusterError | QuotaExceededError | None = None


class ScratchNamespace:
    """A namespace in memory that accepts and refuses objects as an API server with our quota would."""

    def __init__(self) -> None:
        self._store = Store()
        self._admission = Admission(self._store)
        self._store.listeners.append(self._admission.follow)

    def create(self, manifest: Manifest) -> Verdict:
        """Store an object, and return why an API server would refuse it."""
        manifest = json.loads(json.dumps(manifest))
        ref = Ref.of(manifest, kind_of(manifest))
        if faults := tuple(faults_of(ref, manifest)):
            self._add(ref, manifest)
            return Verdict(faults)
        fill_in(manifest)
        refusal: ClusterError | QuotaExceededError | None = None
        try:
            self._admission.admit(ref, manifest)
        except (ClusterError, QuotaExceededError) as error:
            refusal = error
        beside = tuple(fault for container in _containers(manifest) for fault in faults_of_resources(container))
        self._add(ref, manifest)
        return Verdict(beside_range=beside, refusal=refusal)

    def _add(self, ref: Ref, manifest: Manifest) -> None:
        """Store an object even if it was refused: the next objects are checked as if it existed."""
        if self._store.find(ref) is None:
            self._store.add(ref, manifest)

    def has(self, kind: str, namespace: str, name: str) -> bool:
        """Return whether an object of this kind and name exists."""
        return self._store.find(Ref(resource_of(kind), name, namespace)) is not None


def kind_of(manifest: Manifest) -> Resource:
    """Return the resource of a manifest; the plural of an unknown kind is a guess."""
    kind: str = manifest["kind"]
    try:
        return resource_of(kind)
    except ValueError:
        return Resource(manifest.get("apiVersion", "v1"), kind, f"{kind.lower()}s")


def _containers(manifest: Manifest) -> Iterator[Manifest]:
    for part in _PARTS if manifest["kind"] == "Pod" else ():
        yield from manifest["spec"].get(part) or ()

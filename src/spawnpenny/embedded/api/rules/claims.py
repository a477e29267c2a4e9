"""Rules for a volume claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.domain.quantities import parse_quantity
from spawnpenny.embedded.api.rules.fault import Fault
from spawnpenny.embedded.api.rules.names import DNS_SUBDOMAIN

_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")


def faults_of_claim(spec: Mapping[str, Any]) -> Iterator[Fault]:
    modes = spec.get("accessModes") or ()
    if not modes:
        yield Fault("spec.accessModes", "needs at least one", "access_modes")
    for mode in modes:
        if mode not in _MODES:
            yield Fault("spec.accessModes", f"{mode!r} is not one of {', '.join(_MODES)}", str(mode))
    name = spec.get("storageClassName")
    if name and not DNS_SUBDOMAIN.fullmatch(str(name)):
        yield Fault("spec.storageClassName", f"{name!r} is not a valid name", str(name))
    yield from _size(((spec.get("resources") or {}).get("requests") or {}).get("storage"))


def _size(size: Any) -> Iterator[Fault]:
    if size is None:
        yield Fault("spec.resources.requests", "needs storage", "capacity")
        return
    try:
        if parse_quantity(size) <= 0:
            yield Fault("spec.resources.requests", f"storage has to be more than nothing, not {size}", "capacity")
    except ValueError as error:
        yield Fault("spec.resources.requests", f"storage: {error}", "capacity")

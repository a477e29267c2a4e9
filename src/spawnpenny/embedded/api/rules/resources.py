"""Rules for the resources of a container: amounts, and requests beside limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from spawnpenny.domain.quantities import parse_quantity
from spawnpenny.embedded.api.rules.fault import Fault
from spawnpenny.embedded.api.rules.names import QUALIFIED_NAME

_PATH: Final = "spec.containers"
_PLAIN: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_HUGE: Final = "hugepages-"


def faults_of_resources(container: Mapping[str, Any]) -> Iterator[Fault]:
    name, resources = container.get("name", ""), container.get("resources") or {}
    amounts: dict[str, dict[str, Decimal]] = {"limits": {}, "requests": {}}
    for part, read in amounts.items():
        for resource, amount in (resources.get(part) or {}).items():
            if not _is_known(str(resource)):
                yield Fault(
                    _PATH, f"{name} names a resource {resource!r}, which has no domain such as example.org/", resource
                )
                continue
            try:
                read[resource] = parse_quantity(amount)
            except ValueError as error:
                yield Fault(_PATH, f"{part}.{resource} of {name}: {error}", resource)
                continue
            if read[resource] < 0:
                yield Fault(_PATH, f"{part}.{resource} of {name} is negative", resource)
            elif _is_extended(resource) and read[resource] % 1:
                yield Fault(_PATH, f"{part}.{resource} of {name} is {amount}: it has to be a whole number", resource)
    yield from _compare(name, amounts["limits"], amounts["requests"])


def _compare(name: str, limits: Mapping[str, Decimal], requests: Mapping[str, Decimal]) -> Iterator[Fault]:
    for resource, requested in requests.items():
        limit = limits.get(resource)
        if limit is not None and requested > limit:
            yield Fault(_PATH, f"{name} requests more {resource} than its limit", resource)
        if resource not in _PLAIN and limit != requested:
            yield Fault(_PATH, f"the request of {name} for {resource} has to be as much as its limit", resource)


def _is_known(resource: str) -> bool:
    if resource in _PLAIN or resource.startswith(_HUGE):
        return True
    return "/" in resource and QUALIFIED_NAME.fullmatch(resource) is not None


def _is_extended(resource: str) -> bool:
    """Return whether it is an extended resource, such as ``nvidia.com/gpu``, which is counted in whole numbers."""
    return "/" in resource and "kubernetes.io/" not in resource

"""The resources of pods and containers: the amounts that count against a quota, and those that Kubernetes refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from spawnpenny.domain.quantities import parse_quantity
from spawnpenny.domain.resources import Resources

_PARTS: Final = ("limits", "requests")


def pod_limits(pod: Mapping[str, Any]) -> Resources:
    """Return the limits of a pod as a quota counts them: the sum of its containers, or the peak of its init containers.

    A container without a limit counts as none.
    """
    return Resources(_most(pod["spec"], "cpu"), _most(pod["spec"], "memory"))


def resources_fault(container: Mapping[str, Any]) -> str | None:
    """Return why Kubernetes would refuse the resources of a container; None if it accepts them."""
    resources = container.get("resources") or {}
    if not isinstance(resources, Mapping) or not all(isinstance(resources.get(part) or {}, Mapping) for part in _PARTS):
        return "resources: write limits and requests, each with amounts by resource."
    amounts: dict[str, dict[str, Decimal]] = {part: {} for part in _PARTS}
    for part, name, amount in _amounts(container):
        try:
            amounts[part][name] = parse_quantity(amount)
        except ValueError as error:
            return f"resources.{part}.{name}: {error}."
    return _divided(amounts) or _more_than_limits(amounts)


def _divided(amounts: Mapping[str, Mapping[str, Decimal]]) -> str | None:
    """Return which device, such as a GPU, has a fraction as its amount."""
    for part, quantities in amounts.items():
        for name, quantity in quantities.items():
            if "/" in name and quantity != quantity.to_integral_value():
                return f"resources.{part}.{name}: {quantity:f}, and Kubernetes gives only whole ones."
    return None


def _more_than_limits(amounts: Mapping[str, Mapping[str, Decimal]]) -> str | None:
    for name, request in amounts["requests"].items():
        limit = amounts["limits"].get(name)
        if limit is not None and request > limit:
            return f"resources.requests.{name} is more than resources.limits.{name}, which Kubernetes refuses."
        if "/" in name and limit != request:
            return f"resources.requests.{name}: Kubernetes takes it only with the same in resources.limits."
    return None


def _amounts(container: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for part in _PARTS:
        for name, amount in ((container.get("resources") or {}).get(part) or {}).items():
            yield part, name, amount


def _most(spec: Mapping[str, Any], resource: str) -> Decimal:
    beside = sum((_limit(container, resource) for container in spec["containers"]), Decimal(0))
    before = most_before = Decimal(0)
    for init in spec.get("initContainers") or ():
        if init.get("restartPolicy") == "Always":  # a sidecar: it stays
            before += _limit(init, resource)
            most_before = max(most_before, before)
        else:
            most_before = max(most_before, before + _limit(init, resource))
    return max(beside + before, most_before)


def _limit(container: Mapping[str, Any], resource: str) -> Decimal:
    limits = (container.get("resources") or {}).get("limits") or {}
    return parse_quantity(limits.get(resource, 0))

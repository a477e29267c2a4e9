"""What a pod counts against a user's quota, as Kubernetes counts it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from spawnpenny.api import Manifest, Resources, parse_quantity


def counted(pod: Manifest) -> Resources:
    """Return the limits of a pod: of all its containers together, or of the most that runs before them.

    A container without a limit counts as none: its default is known to the namespace's LimitRange alone.
    """
    spec = pod["spec"]
    return Resources(_most(spec, "cpu"), _most(spec, "memory"), labs=1)


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

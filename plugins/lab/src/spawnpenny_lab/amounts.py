"""Pass the final limits and requests of a lab's container to the lab as environment variables."""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any, Final

from spawnpenny.api import Manifest, parse_quantity


def _cores(amount: Decimal) -> str:
    return format(amount.normalize(), "f")


def _bytes(amount: Decimal) -> str:
    return str(int(amount))


_VARIABLES: Final[dict[str, tuple[str, str, Callable[[Decimal], str]]]] = {
    "CPU_GUARANTEE": ("requests", "cpu", _cores),
    "CPU_LIMIT": ("limits", "cpu", _cores),
    "MEM_GUARANTEE": ("requests", "memory", _bytes),
    "MEM_LIMIT": ("limits", "memory", _bytes),
}
"""The variables by which JupyterHub's spawners pass limits to a server."""


def with_amounts(pod: Manifest, container: str, own: Collection[str]) -> Manifest:
    """Return a pod whose container has its limits and requests as variables, except those that the site sets itself.

    A limit or request that is not set has no variable.
    """
    spec = pod["spec"]
    containers = [_with_variables(one, own) if one["name"] == container else one for one in spec["containers"]]
    return {**pod, "spec": {**spec, "containers": containers}}


def _with_variables(container: Manifest, own: Collection[str]) -> Manifest:
    resources: dict[str, Any] = container.get("resources") or {}
    amounts = {
        name: write(parse_quantity(amount))
        for name, (part, resource, write) in _VARIABLES.items()
        if name not in own and (amount := (resources.get(part) or {}).get(resource)) is not None
    }
    kept = [entry for entry in container.get("env") or () if entry["name"] in own or entry["name"] not in _VARIABLES]
    variables = [{"name": name, "value": value} for name, value in amounts.items()]
    return {**container, "env": [*variables, *kept]}

"""What a pod counts against a user's quota, as Kubernetes counts it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

from spawnpenny.api import Manifest, Resources, SettingsError, parse_quantity
from spawnpenny_lab.objects import NOTEBOOK

_KEYS: Final = {"cpu": "cpu_limit", "memory": "mem_limit"}


def counted(pod: Manifest) -> Resources:
    """Return the limits of a pod: of all its containers together, or of the most that runs before them.

    A container without a limit counts as none.
    """
    spec = pod["spec"]
    return Resources(_most(spec, "cpu"), _most(spec, "memory"), labs=1)


def without_limits(pod: Manifest, limits: Collection[str], place: str) -> dict[str, str]:
    """Return the keys of the settings by which a lab has no limit, with the resource, of those that need one."""
    notebook = next(each for each in pod["spec"]["containers"] if each["name"] == NOTEBOOK)
    own = (notebook.get("resources") or {}).get("limits") or {}
    keys = {} if place.startswith("sizes.") else _KEYS
    return {f"{place}{keys.get(each, each)}": each for each in limits if each not in own}


def unlimited(missing: Mapping[str, str]) -> SettingsError:
    """Word the refusal of labs without a limit beside a quota: Kubernetes takes only pods with limits there."""
    keys = " and ".join(f"plugins.lab.{key}" for key in missing)
    bounds = [f"plugins.quota.{resource}" for resource in dict.fromkeys(missing.values())]
    return SettingsError(
        f"By {keys} labs have no limit. Beside the bound of {' and '.join(bounds)} Kubernetes takes only pods with "
        "limits. Set a limit, no less than the guarantee; or have no bound: "
        f"{', '.join(f'{bound}: null' for bound in bounds)}."
    )


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

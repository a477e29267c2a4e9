"""Find labs without limits, which Kubernetes refuses beside a quota."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from spawnpenny.api import NOTEBOOK, Manifest, SettingsError

_KEYS: Final = {"cpu": "cpu_limit", "memory": "mem_limit"}


def without_limits(pod: Manifest, limits: Collection[str], place: str) -> dict[str, str]:
    """Return the keys of the settings by which a lab has no limit, with the resource, of those that need one."""
    notebook = next(container for container in pod["spec"]["containers"] if container["name"] == NOTEBOOK)
    own = (notebook.get("resources") or {}).get("limits") or {}
    keys = {} if place.startswith("sizes.") else _KEYS
    return {f"{place}{keys.get(limit, limit)}": limit for limit in limits if limit not in own}


def unlimited(missing: Mapping[str, str]) -> SettingsError:
    """Word the refusal of labs without a limit beside a quota: Kubernetes takes only pods with limits there."""
    keys = " and ".join(f"plugins.lab.{key}" for key in missing)
    bounds = [f"plugins.quota.{resource}" for resource in dict.fromkeys(missing.values())]
    return SettingsError(
        f"By {keys} labs have no limit. Beside the bound of {' and '.join(bounds)} Kubernetes takes only pods with "
        "limits. Set a limit, no less than the guarantee; or have no bound: "
        f"{', '.join(f'{bound}: null' for bound in bounds)}."
    )

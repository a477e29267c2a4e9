"""Find a quota that fits labs of KubeSpawner: they may lack limits, and a quota refuses pods without limits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from spawnpenny.admin.migration.samples import Samples
from spawnpenny.domain.quantities import format_quantity
from spawnpenny.domain.resources import Resources
from spawnpenny.errors import PluginError, SettingsError
from spawnpenny.settings.load import make_settings
from spawnpenny.spawns.container_limits import verify_steps

QUOTA: Final = "quota"
_USUAL: Final = Resources(Decimal(8), Decimal(16 * 2**30))
"""The default limits of the plugin quota."""
_RESOURCES: Final = {"cpu": "cpu_limit", "memory": "mem_limit"}


def fitting_quota(settings: Mapping[str, Any], quota: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a quota that have to be null, as labs have no limit of that resource.

    Args:
        settings: The content of a settings file.
        quota: Its section ``plugins.quota``, or one to add.

    Raises:
        SettingsError: The quota does not fit for another reason.

    """
    free: dict[str, Any] = {}
    while True:
        plugins = {**settings["plugins"], QUOTA: {**quota, **free}}
        try:
            samples = Samples(make_settings({**settings, "plugins": plugins}))
            verify_steps(samples.settings, samples.plugins)
        except SettingsError as error:
            named = [
                resource
                for resource in _RESOURCES
                if resource not in free and f"plugins.{QUOTA}.{resource}" in error.message
            ]
            if not named:
                raise
            free[named[0]] = None
        else:
            return free


def suggested_quota(settings: Mapping[str, Any]) -> str:
    """Return a quota to add to settings without one, as YAML; empty if none fits."""
    try:
        free = fitting_quota(settings, {})
    except (SettingsError, PluginError):
        return ""
    largest = Samples(make_settings(settings)).largest()
    least = {"cpu": (largest.cpu, _USUAL.cpu), "memory": (largest.memory, _USUAL.memory)}
    more = {
        resource: format_quantity(most)
        for resource, (most, usual) in least.items()
        if most > usual and resource not in free
    }
    return "".join(
        (
            "{labs: 3",
            *(f", {resource}: null" for resource in free),
            *(f", {resource}: {value}" for resource, value in more.items()),
            "}",
        )
    )


def limit_of(resource: str) -> str:
    """Return the trait that limits a resource."""
    return _RESOURCES[resource]

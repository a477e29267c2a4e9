"""Results of the hooks for kinds with cluster options and worker groups, of all plugins together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spawnpenny.domain.cluster_options import ClusterOption
from spawnpenny.domain.worker_groups import WorkerGroup
from spawnpenny.errors import PluginError
from spawnpenny.plugin.hook_results import check_default, check_items

Results = Iterable[tuple[str, Any]]
"""Pairs of a plugin's name and what its hook returned."""


def options_of(results: Results) -> tuple[ClusterOption, ...]:
    """Return the cluster options.

    Raises:
        PluginError: A plugin returns something else, two options of one name, or a wrong default.

    """
    found: dict[str, ClusterOption] = {}
    for name, result in results:
        for option in check_items(name, "spawnpenny_cluster_options", result, ClusterOption):
            if option.name in found:
                raise PluginError(f"The plugin {name!r} has a cluster option {option.name!r} that exists already.")
            check_default(name, option)
            found[option.name] = option
    return tuple(found.values())


def overrides_of(results: Results) -> list[tuple[str, Mapping[str, Any]]]:
    """Return pairs of a plugin's name and its overrides.

    Raises:
        PluginError: A plugin returns something else than a mapping.

    """
    found = []
    for name, result in results:
        if result is not None and not isinstance(result, Mapping):
            raise PluginError(
                f"The hook spawnpenny_cluster_overrides of the plugin {name!r} has to return a mapping or None."
            )
        found += [(name, result)] if result else []
    return found


def groups_of(results: Results) -> tuple[WorkerGroup, ...]:
    """Return the worker groups.

    Raises:
        PluginError: A plugin returns something else, or two groups have one name.

    """
    found: dict[str, WorkerGroup] = {}
    for name, result in results:
        for group in check_items(name, "spawnpenny_worker_groups", result, WorkerGroup):
            if group.name in found:
                raise PluginError(f"The plugin {name!r} has a worker group {group.name!r} that exists already.")
            found[group.name] = group
    return tuple(found.values())

"""Kinds of spawns as arguments of subcommands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spawnpenny.cli import exits

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins


def demand_kind(plugins: Plugins, kind: str) -> None:
    """Refuse a kind that no loaded plugin has.

    Raises:
        UsageError: The kind, and the kinds of the loaded plugins.

    """
    if kind not in plugins.kinds:
        raise exits.UsageError(f"No loaded plugin has the kind {kind!r}. The kinds are {', '.join(plugins.kinds)}.")

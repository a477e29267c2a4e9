"""Registry of kinds: check the kinds that the loaded plugins declare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spawnpenny.domain.conformity import NonconformingError, demand_conforming
from spawnpenny.domain.kinds import Kind, Kinds, kind_fault
from spawnpenny.errors import PluginError
from spawnpenny.plugin.hook_results import check_items

HOOK = "spawnpenny_kinds"


def kinds_of(results: Iterable[tuple[str, Any]]) -> Kinds:
    """Return the kinds from pairs of a plugin's name and the result of its hook.

    Raises:
        PluginError: A plugin returned something else or a wrong kind, or two kinds share a name or a plural.

    """
    kinds: dict[str, Kind] = {}
    origin: dict[str, str] = {}
    for plugin, result in results:
        for kind in check_items(plugin, HOOK, result, Kind):
            if (fault := _fault(kind)) is not None:
                raise PluginError(f"A kind of the plugin {plugin!r} {fault}")
            for word, text in (("name", kind.name), ("plural", kind.plural)):
                other = next((known for known in kinds.values() if text in {known.name, known.plural}), None)
                if other is not None:
                    raise PluginError(
                        f"The plugins {origin[other.name]!r} and {plugin!r} both have a kind with the name or plural "
                        f"{text!r}. Change the {word} of one."
                    )
            kinds[kind.name], origin[kind.name] = kind, plugin
    return Kinds(kinds)


def _fault(kind: Kind) -> str | None:
    try:
        demand_conforming(kind)
    except NonconformingError as error:
        return f"is declared wrongly: {error}."
    return kind_fault(kind)

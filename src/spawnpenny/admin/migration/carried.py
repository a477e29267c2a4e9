"""The result of a migration: the settings carried over, and the notes on what was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from spawnpenny.settings.sources import put

_SECTIONS: Final = frozenset({"namespaces", "deadlines", "plugins", "namespace", "network", "quota"})
"""Sections that are merged with existing settings, and do not replace them."""


@dataclass(slots=True)
class Carried:
    """The settings that were carried over, and sentences on the rest.

    ``lost`` has what a site loses unless it acts, ``notes`` has everything else that it should know. No sentence holds
    a value that may be secret.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    hub: dict[str, str] = field(default_factory=dict)
    """The traits to set in jupyterhub_config.py: Python expressions, by name."""
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    """KubeSpawner's defaults, by plugin; they also apply if a site's value is left out."""
    origins: dict[str, str] = field(default_factory=dict)
    """The place where the site set a trait, if it is not the trait's name: the key of the chart's values."""

    def put(self, key: str, value: Any) -> None:
        """Set a setting, given by its dotted name."""
        put(self.settings, key.split("."), value)

    def add_to(self, base: Mapping[str, Any]) -> None:
        """Merge the settings into existing ones; the carried value wins if both have a key."""
        self.settings = self.merged(base)

    def merged(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """Return existing settings with the carried ones merged in."""
        return _added(base, self.settings)

    def lose(self, name: str, what: str, do: str) -> None:
        """Add a sentence on what is not carried over, and what to do instead."""
        self.lost.append(f"{name}: {what}. {do}")


def _added(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    added = dict(base)
    for key, value in more.items():
        existing = base.get(key)
        if key in _SECTIONS and isinstance(existing, Mapping) and isinstance(value, Mapping):
            added[key] = _added(existing, value)
        else:
            added[key] = value
    return added


def dotted(keys: Iterable[str | int]) -> str:
    """Return keys as a path to write after a name: ``.a[0]``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the strings in data with their paths."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from texts(inner, f"{path}[{number}]")

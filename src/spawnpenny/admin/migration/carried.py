"""The result of a migration: the settings carried over, and the notes on what was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from spawnpenny.settings.sources import put

_SECTIONS: Final = frozenset({"namespaces", "deadlines", "plugins", "namespace", "network", "quota"})
"""What is merged with settings that there are, and not put in their place."""


@dataclass(slots=True)
class Carried:
    """``lost`` is what a site loses unless it does something; ``notes`` are what else it should know.

    Each is a sentence or two, and none has a value in it that may be secret.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    hub: dict[str, str] = field(default_factory=dict)
    """What jupyterhub_config.py then says: Python, by the name of the trait."""
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What KubeSpawner has where a site sets nothing, by plugin: it holds as well where a site's value is left out."""
    origins: dict[str, str] = field(default_factory=dict)
    """Where the site wrote a trait, if not under its own name: the key of the chart's values."""

    def put(self, key: str, value: Any) -> None:
        """Set a setting, given with dots."""
        put(self.settings, key.split("."), value)

    def add_to(self, base: Mapping[str, Any]) -> None:
        """Add what was carried to settings that there are: of a key that both have, what was carried holds."""
        self.settings = self.merged(base)

    def merged(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings that there are with what was carried added."""
        return _added(base, self.settings)

    def lose(self, name: str, what: str, do: str) -> None:
        """Say what is not carried, and what to do instead."""
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
    """Return keys as they are written after a name."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the strings in data, each with where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from texts(inner, f"{path}[{number}]")

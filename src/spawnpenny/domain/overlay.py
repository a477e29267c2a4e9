"""Lay a site's further configuration of a pod or container over an existing one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Manifest = dict[str, Any]

_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}
_MERGED_ENTRIES: Final = frozenset({"containers", "initContainers"})
_REPLACED: Final = frozenset({"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})
"""Keys whose value is replaced as a whole: a probe has only one action."""


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> Manifest:
    """Return an object with the values of another one laid over it.

    Maps are merged, and lists whose entries have a key. ``envFrom`` is extended, as plugins need their own entries.
    Everything else is replaced.
    """
    result = dict(base)
    for key, value in over.items():
        existing = base.get(key)
        if isinstance(existing, Mapping) and isinstance(value, Mapping) and key not in _REPLACED:
            result[key] = overlaid(existing, value)
        elif isinstance(existing, Sequence) and isinstance(value, Sequence) and key in _KEYS:
            result[key] = _overlaid_entries(existing, value, key)
        elif isinstance(existing, Sequence) and key == "envFrom":
            result[key] = [*existing, *value]
        else:
            result[key] = value
    return result


def _overlaid_entries(base: Sequence[Any], over: Sequence[Any], key: str) -> list[Any]:
    name = _KEYS[key]
    by_name = {entry.get(name): entry for entry in base}
    for entry in over:
        existing = by_name.get(entry.get(name))
        by_name[entry.get(name)] = overlaid(existing, entry) if existing and key in _MERGED_ENTRIES else entry
    return list(by_name.values())

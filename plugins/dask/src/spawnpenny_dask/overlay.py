"""Lays a site's further configuration of a pod or container over what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from spawnpenny.api import Manifest

_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> Manifest:
    """Return an object with another's values.

    Maps are merged; of lists whose entries have a key, entries with a new one are added and others replaced; anything
    else replaces.
    """
    result = dict(base)
    for key, value in over.items():
        there = base.get(key)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            result[key] = overlaid(there, value)
        elif key in _KEYS and isinstance(there, Sequence) and isinstance(value, Sequence):
            by_name = {entry.get(_KEYS[key]): entry for entry in [*there, *value]}
            result[key] = list(by_name.values())
        else:
            result[key] = value
    return result

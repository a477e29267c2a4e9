"""Leave out values of a chart that have the wrong type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

HUB: Final[Mapping[str, type]] = {
    "singleuser": dict,
    "singleuser.image": dict,
    "singleuser.image.pullSecrets": list,
    "singleuser.storage": dict,
    "singleuser.storage.static": dict,
    "singleuser.storage.dynamic": dict,
    "singleuser.storage.dynamic.volumeNameTemplate": str,
    "singleuser.networkPolicy": dict,
    "singleuser.networkPolicy.egressAllowRules": dict,
    "singleuser.extraTolerations": list,
    "singleuser.extraNodeAffinity": dict,
    "singleuser.extraNodeAffinity.required": list,
    "singleuser.extraNodeAffinity.preferred": list,
    "singleuser.memory": dict,
    "singleuser.cpu": dict,
    "singleuser.extraResource": dict,
    "imagePullSecret": dict,
    "imagePullSecrets": list,
    "scheduling": dict,
    "scheduling.userPods": dict,
    "scheduling.userPods.tolerations": list,
    "scheduling.userPods.nodeAffinity": dict,
    "hub": dict,
    "hub.config": dict,
    "hub.config.Spawner": dict,
    "hub.config.KubeSpawner": dict,
}
"""The required types of values, by path; outer values come first."""
_WORDS: Final[Mapping[type, str]] = {dict: "a map", list: "a list", str: "text"}


def well_shaped(
    values: Mapping[str, Any], kinds: Mapping[str, type], prefix: str = ""
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return values without those of a wrong type, so that the chart's own apply, and a sentence about each."""
    notes = []
    for path, kind in kinds.items():
        found = _at(values, path)
        if found is not None and not isinstance(found, kind):
            values = _without(values, path.split("."))
            why = f"the chart needs {_WORDS[kind]} here, but this is {_kind_of(found)}"
            notes.append(f"{prefix}{path}: {why}. Correct it, and run the command again.")
    return values, tuple(notes)


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _without(values: Mapping[str, Any], path: list[str]) -> Mapping[str, Any]:
    first, *rest = path
    if rest:
        return {**values, first: _without(values[first], rest)}
    return {key: value for key, value in values.items() if key != first}


def _kind_of(value: object) -> str:
    return _WORDS.get(type(value), "true or false" if isinstance(value, bool) else "a number")

"""Cluster options as the client's widget and checks take them: dask-gateway's fields."""

from __future__ import annotations

from typing import Any

from spawnpenny.domain.cluster_options import ClusterOption, OptionType


def field_of(option: ClusterOption) -> dict[str, Any]:
    """Return an option as a field. Beside ``spec`` there may be more, within it there may not."""
    return {
        "field": option.name,
        "label": option.label or option.name,
        "default": option.default,
        "spec": {"type": option.type, **_bounds(option)},
        "description": option.description,
    }


def _bounds(option: ClusterOption) -> dict[str, Any]:
    match option.type:
        case OptionType.INT:
            return {"min": _whole(option.minimum), "max": _whole(option.maximum)}
        case OptionType.FLOAT:
            return {"min": option.minimum, "max": option.maximum}
        case OptionType.SELECT:
            return {"options": list(option.choices)}
        case _:
            return {}


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)

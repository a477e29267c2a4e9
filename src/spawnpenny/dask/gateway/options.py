"""Cluster options as the client's widget and checks take them: dask-gateway's fields."""

from __future__ import annotations

from typing import Any, Final

from spawnpenny.domain.cluster_options import ClusterOption, OptionType

_FAR: Final = 1e9


def field_of(option: ClusterOption) -> dict[str, Any]:
    """Return an option as a field. Beside ``spec`` there may be more, within it there may not."""
    return {
        "field": option.name,
        "label": option.label or option.name,
        "default": option.default,
        "spec": {"type": option.type, **_bounds(option)},
        "description": option.description,
        **({"unit": option.unit} if option.unit else {}),
    }


def _bounds(option: ClusterOption) -> dict[str, Any]:
    match option.type:
        case OptionType.INT | OptionType.FLOAT:
            return _range(option)
        case OptionType.SELECT:
            return {"options": list(option.choices)}
        case _:
            return {}


def _range(option: ClusterOption) -> dict[str, Any]:
    """Return both bounds or none: for a missing one the client's form would make an infinity."""
    if option.minimum is None and option.maximum is None:
        return {"min": None, "max": None}
    bounds = (-_FAR if option.minimum is None else option.minimum, _FAR if option.maximum is None else option.maximum)
    least, most = (int(bound) if option.type is OptionType.INT else bound for bound in bounds)
    return {"min": least, "max": most}

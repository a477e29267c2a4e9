"""The memory of a step: the values of its attributes, its class and its module."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from spawnpenny.pipeline.step import Step
from spawnpenny.settings.model import Settings

_DEPTH: Final = 6
_PLAIN: Final = (str, bytes, int, float, Decimal, Enum, type(None))
_CODE: Final = (FunctionType, MethodType, ModuleType, type, property, classmethod, staticmethod, Settings)


def memory_of(step: Step) -> dict[str, Any]:
    """Return copies of all values that a step can keep between two calls, by their place."""
    places: dict[str, Mapping[str, Any]] = {"self": vars(step)}
    for base in type(step).__mro__:
        if base in {Step, *Step.__mro__}:
            break
        places[base.__name__] = vars(base)
        module = sys.modules.get(base.__module__)
        if module is not None:
            places[base.__module__] = {
                name: value for name, value in vars(module).items() if isinstance(value, dict | list | set | int | str)
            }
    return {
        f"{place}.{name}": _frozen(value, _DEPTH)
        for place, values in places.items()
        for name, value in values.items()
        if not name.startswith("__") and not name.startswith("_abc_")
    }


def _frozen(value: Any, depth: int) -> Any:
    """Return a copy of a value that can be compared later, however the value changes."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, _CODE) or depth == 0:
        return type(value).__name__
    if isinstance(value, Mapping):
        return {str(key): _frozen(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_frozen(item, depth - 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    attributes = getattr(value, "__dict__", None)
    return [type(value).__name__, _frozen(attributes, depth - 1) if attributes else None]

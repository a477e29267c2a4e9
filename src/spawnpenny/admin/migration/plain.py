"""Turn values of a Python configuration into data that YAML can hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.admin.migration.pruning import ATOM, Key, Shape, prune

Losses = list[tuple[tuple[Key, ...], str]]
"""The values that are not data: their paths, and a description."""
_SCALARS: Final = (bool, int, float, str)


@dataclass(frozen=True, slots=True)
class _NoData:
    """A stand-in for a value that is not data, with a description of it."""

    what: str


def plain(value: Any, losses: Losses, shape: Shape = ATOM) -> Any:
    """Return a value as data; None if nothing of it is data.

    Parts that are not data are left out, with everything that needs them, and are added to ``losses``.
    """
    pruned = prune(_plain(value), shape, _what_is_no_data)
    if pruned is None:
        losses.append(((), _what_is_no_data(_plain(value)) or ""))
        return None
    losses.extend((loss.path, loss.reason) for loss in pruned.losses)
    return pruned.value


def _plain(value: Any) -> Any:
    if value is None:
        return None
    for kind in _SCALARS:  # and not their subclasses, such as enumerations
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | AbstractSet):
        return [_plain(inner) for inner in value]
    attributes = getattr(value, "attribute_map", None)
    if isinstance(attributes, Mapping) and not isinstance(value, type):  # an object of the Kubernetes client
        named = ((key, getattr(value, name, None)) for name, key in attributes.items())
        return {key: _plain(inner) for key, inner in named if inner is not None}
    name = getattr(value, "__name__", type(value).__name__)
    return _NoData(f"the function {name}" if callable(value) else f"an object of the class {type(value).__name__}")


def _what_is_no_data(value: Any) -> str | None:
    return next((value.what for value in _values(value) if isinstance(value, _NoData)), None)


def _values(value: Any) -> Iterable[Any]:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else None
    if inner is None:
        yield value
    else:
        for item in inner:
            yield from _values(item)

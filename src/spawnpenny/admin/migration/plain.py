"""Values of a configuration that is Python, as data that YAML can hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.admin.migration.pruning import ATOM, Key, Shape, prune

Losses = list[tuple[tuple[Key, ...], str]]
"""What is no data: where it stands, and what it is."""
_SCALARS: Final = (bool, int, float, str)


@dataclass(frozen=True, slots=True)
class _NoData:
    """In the place of a value that is no data: what that is."""

    what: str


def plain(value: Any, losses: Losses, shape: Shape = ATOM) -> Any:
    """Return a value as data, None where it is none.

    What is no data is left out, with whatever cannot be without it; ``losses`` get what that was.
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

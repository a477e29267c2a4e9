"""Values of a configuration that is Python, as data that YAML can hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

Losses = list[tuple[str, str]]
"""What is no data: where it stands, and what it is."""
_SCALARS: Final = (bool, int, float, str)


class _NoDataError(Exception):
    """A value is none; the text says what it is."""


def plain(value: Any, losses: Losses, path: str = "") -> Any:
    """Return a value as data: None where it is none, and without what in it is none; ``losses`` get what that was."""
    try:
        return _plain(value, losses, path)
    except _NoDataError as error:
        losses.append((path, str(error)))
        return None


def _plain(value: Any, losses: Losses, path: str) -> Any:
    if value is None:
        return None
    for kind in _SCALARS:  # and not their subclasses, such as enumerations
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        named = ((str(key), inner, f"{path}.{key}" if path else str(key)) for key, inner in value.items())
        return dict(_entries(named, losses))
    if isinstance(value, list | tuple | AbstractSet):
        numbered = (("", inner, f"{path}[{number}]") for number, inner in enumerate(value))
        return [inner for _, inner in _entries(numbered, losses)]
    name = getattr(value, "__name__", type(value).__name__)
    raise _NoDataError(f"the function {name}" if callable(value) else f"an object of the class {type(value).__name__}")


def _entries(entries: Iterable[tuple[str, Any, str]], losses: Losses) -> Iterable[tuple[str, Any]]:
    for key, inner, path in entries:
        try:
            yield key, _plain(inner, losses, path)
        except _NoDataError as error:
            losses.append((path, str(error)))

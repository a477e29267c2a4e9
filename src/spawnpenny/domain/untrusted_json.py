"""Parse JSON of an untrusted sender."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from spawnpenny.domain.suggestions import shortened

MAX_DEPTH: Final = 32
"""The depth to which lists and objects may be nested."""
MAX_MEMBERS: Final = 5000
"""Keys and items at all depths together: reading one costs more than sending it."""


class UntrustedJsonError(ValueError):
    """A text is refused. The message continues a sentence that names the text: ``The body`` ``is not JSON: …``."""


def parse_json(text: str) -> Any:
    """Return what a JSON text holds.

    Raises:
        UntrustedJsonError: It is not JSON, has a key twice, a number that is not finite, or is too large or too deep.

    """
    try:
        data = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_ObjectReader().read
        )
    except UntrustedJsonError:
        raise
    except json.JSONDecodeError as error:
        raise UntrustedJsonError(f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except ValueError:  # also a number of thousands of digits
        raise UntrustedJsonError("has a number that is not finite, or too long.") from None
    except RecursionError:
        raise UntrustedJsonError(_too_deep()) from None
    _check_size(data)
    return data


class _ObjectReader:
    """Make dictionaries of the objects of one text, and stop as soon as there are too many keys."""

    def __init__(self) -> None:
        self._keys = 0

    def read(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._keys += len(pairs) + 1  # an empty object is a member of something, too
        if self._keys > 2 * MAX_MEMBERS:
            raise UntrustedJsonError(_too_many())
        found = dict(pairs)
        if len(found) < len(pairs):
            raise UntrustedJsonError(f"has the key {shortened(_repeated(pairs))!r} twice.")
        return found


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return ""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # 1e999
        raise ValueError(text)
    return number


def _check_size(data: Any) -> None:
    level, members = [data], 0
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _members(outer)]
        members += len(level)
        if members > MAX_MEMBERS:
            raise UntrustedJsonError(_too_many())
        if not level:
            return
    raise UntrustedJsonError(_too_deep())


def _members(container: dict[str, Any] | list[Any]) -> list[Any]:
    return list(container.values()) if isinstance(container, dict) else container


def _too_deep() -> str:
    return f"is nested more than {MAX_DEPTH} deep."


def _too_many() -> str:
    return f"has more than {MAX_MEMBERS} keys and items."

"""Check that the values of a dataclass are of the types that it declares: JSON may hold anything."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

Check = Callable[[Any], bool]
_MOST: Final = 1e11
"""Numbers stay below this one, so that each time of a record is a date."""


class NonconformingError(ValueError):
    """A value is not of its declared type. The message names the field, and never quotes the value."""


def demand_conforming(instance: Any) -> None:
    """Refuse a dataclass with a field, at any depth, whose value is of another type than declared.

    Text has to be storable as UTF-8, and numbers have to be finite. Fields of other classes are not
    checked.

    Raises:
        NonconformingError: There is one.

    """
    cls: Any = type(instance)
    for name, check in _checks(cls):
        if not check(getattr(instance, name)):
            raise NonconformingError(f"{type(instance).__name__}.{name} is not of its type")


@cache
def _checks(cls: Any) -> tuple[tuple[str, Check], ...]:
    hints = get_type_hints(cls)
    return tuple((field.name, _check(hints[field.name])) for field in fields(cls))


def _check(hint: Any) -> Check:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return _any_of([_check(argument) for argument in arguments])
    if origin is Callable:
        return callable
    if origin in {dict, Mapping}:
        return _mapping(*map(_check, arguments))
    if origin in {list, tuple}:
        return _sequence(origin, _check(arguments[0]))
    if is_dataclass(hint):
        return _conforming(hint)
    return _SIMPLE.get(hint, lambda value: isinstance(value, hint))


def _conforming(cls: Any) -> Check:
    def check(value: Any) -> bool:
        if not isinstance(value, cls):
            return False
        demand_conforming(value)
        return True

    return check


def _any_of(checks: list[Check]) -> Check:
    return lambda value: any(check(value) for check in checks)


def _mapping(key: Check, value: Check) -> Check:
    return lambda found: isinstance(found, dict) and all(key(name) and value(item) for name, item in found.items())


def _sequence(kind: type, item: Check) -> Check:
    return lambda found: isinstance(found, kind) and all(map(item, found))  # type: ignore[call-overload]


def _is_text(value: Any) -> bool:
    if type(value) is not str and not (isinstance(value, str) and isinstance(value, Enum)):
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _is_integer(value: Any) -> bool:
    return type(value) is int and abs(value) <= _MOST


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value) and abs(value) <= _MOST


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True


_SIMPLE: Final[Mapping[Any, Check]] = {
    Any: _is_json,
    str: _is_text,
    int: _is_integer,
    float: _is_number,
    bool: lambda value: type(value) is bool,
    Decimal: lambda value: type(value) is Decimal and value.is_finite(),
    NoneType: lambda value: value is None,
}

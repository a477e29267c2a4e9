"""Amounts with a unit, such as ``"4 GiB"`` or ``"5 minutes"``, as numbers for a site's options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Final

from dask.utils import parse_bytes, parse_timedelta

from spawnpenny.clients.dask.errors import ClusterError

_MEMORY: Final = {"B": 1, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30, "TiB": 2**40}
_TIME: Final = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
_CORES: Final = {"cores": 1.0, "millicores": 0.001}
_UNITS: Final[Mapping[str, float]] = {**_MEMORY, **_TIME, **_CORES}
LEAST_MEMORY: Final = 2**20
LEAST_CORES: Final = 0.001
"""The smallest sensible values."""
_NUMBERS: Final = frozenset({"int", "float"})
_SHORT: Final = {"K", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"}


def plain(value: Any) -> Any:
    """Return a NumPy number as a Python number, for JSON; any other value as it is."""
    if isinstance(value, bool | int | float | str):
        return value
    return int(value) if isinstance(value, Integral) else float(value) if isinstance(value, Real) else value


def number(name: str, value: Any, field: Mapping[str, Any] | None) -> Any:
    """Return a text with a unit as the number for an option; any other value as it is.

    Raises:
        ClusterError: The text is no amount for this option, or too little to be meant.

    """
    unit = unit_of(name, field)
    if field is None or unit is None or not isinstance(value, str):
        return value
    if unit in _TIME:
        return in_unit(_time(name, value), name, field)
    of_pod = _usual(name) is not None  # the option of a plugin may have any minimum
    if unit in _MEMORY:
        return in_unit(memory(name, value) if of_pod else _memory(name, value), name, field)
    return in_unit(cores(name, value) if of_pod else _cores(name, value), name, field)


def in_unit(amount: float, name: str, field: Mapping[str, Any] | None) -> float:
    """Return bytes, seconds or cores as the value of an option: in its unit, and whole if it is an int."""
    found = amount / _UNITS.get(unit_of(name, field) or "", 1)
    whole = field is not None and _type(field) == "int" and found.is_integer()
    return int(found) if whole else found


def out_of_unit(value: float, name: str, field: Mapping[str, Any]) -> float:
    """Return the value of an option in bytes, seconds or cores."""
    return value * _UNITS.get(unit_of(name, field) or "", 1)


def unit_of(name: str, field: Mapping[str, Any] | None) -> str | None:
    """Return the unit of an option; None without one. An older service sends no units, and has memory in GiB."""
    if field is None or _type(field) not in _NUMBERS:
        return "GiB" if field is None and name.endswith("_memory") else None
    return str(field["unit"]) if field.get("unit") in _UNITS else _usual(name)


def memory(name: str, value: Any) -> float:
    """Return the memory of a pod in bytes. Kubernetes' ``4Gi`` and ``4G`` are valid, too.

    Raises:
        ClusterError: The value is no amount of memory, or less than any program needs.

    """
    found = _memory(name, value)
    if found < LEAST_MEMORY:
        raise ClusterError(f"{name} is {value!r}, which is less than 1 MiB. Write it with a unit, such as '4 GiB'.")
    return found


def _memory(name: str, value: Any) -> float:
    text = f"{value}B" if {str(value)[-1:], str(value)[-2:]} & _SHORT else value
    try:
        return float(parse_bytes(text))
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise ClusterError(f"{name} is {value!r}; it has to be an amount of memory, such as '4 GiB'.") from None


def cores(name: str, value: Any) -> float:
    """Return the cores of a pod; ``500m`` is half a core.

    Raises:
        ClusterError: The value is no number of cores, or less than Kubernetes accepts.

    """
    found = _cores(name, value)
    if found < LEAST_CORES:
        raise ClusterError(f"{name} is {value!r}; it has to be {LEAST_CORES:g} cores or more, such as 2, or '500m'.")
    return found


def _cores(name: str, value: Any) -> float:
    text = str(value)
    try:
        found = float(text[:-1]) / 1000 if text.endswith("m") else float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ClusterError(f"{name} is {value!r}; it has to be a number of cores, such as 2, or '500m'.")
    return found


def seconds(timeout: float | str | None) -> float | None:
    """Return a timeout in seconds; None without one.

    Raises:
        ValueError: The value is no time.

    """
    try:
        return None if timeout is None else _time("timeout", timeout)
    except ClusterError as error:
        raise ValueError(str(error)) from None


def _time(name: str, value: Any) -> float:
    try:
        return float(parse_timedelta(value))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ClusterError(f"{name} is {value!r}; it has to be a time, such as '5 minutes'.") from None


def _usual(name: str) -> str | None:
    if name.endswith("_memory"):
        return "GiB"
    return "cores" if name.endswith("_cores") else None


def _type(field: Mapping[str, Any]) -> str:
    return str((field.get("spec") or {}).get("type"))

"""Define and check the options of a kind whose option source is ``CLUSTER``: typed values with bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from spawnpenny.domain.suggestions import listed, shortened
from spawnpenny.errors import InvalidOptionError, UnknownOptionError

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class OptionType(StrEnum):
    """The type of a cluster option, and so of its value: ``MAPPING`` is an object, ``SELECT`` one of ``choices``."""

    STRING = "string"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    SELECT = "select"
    MAPPING = "mapping"


@dataclass(frozen=True, slots=True)
class ClusterOption:
    """One option. ``minimum`` and ``maximum`` bound a number, ``choices`` are those of a ``select``.

    ``unit`` is that of a number, such as ``GiB`` or ``minutes``; empty where it has none, or clients need not know it.

    What is chosen for a ``secret`` one, such as environment variables, is kept as the caller's environment is: it is in
    no answer, no event and no annotation.
    """

    name: str
    type: OptionType
    default: Any
    label: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    unit: str = ""

    def check(self, value: Any) -> Any:
        """Return the value, if it is one of this option.

        Raises:
            InvalidOptionError: It is not; the message says what would be.

        """
        if not self._fits(value):
            message = f"The option {self.name!r} has to be {self._expected()}."
            raise InvalidOptionError(message, field=f"options.{self.name}")
        return float(value) if self.type is OptionType.FLOAT else value

    def _fits(self, value: Any) -> bool:
        match self.type:
            case OptionType.STRING:
                return isinstance(value, str) and not _CONTROL.search(value)
            case OptionType.BOOL:
                return isinstance(value, bool)
            case OptionType.INT:
                return type(value) is int and self._within(value)
            case OptionType.FLOAT:
                return _is_number(value) and self._within(value)
            case OptionType.SELECT:
                return isinstance(value, str) and value in self.choices
            case OptionType.MAPPING:
                return isinstance(value, dict)

    def _within(self, value: float) -> bool:
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    def _expected(self) -> str:
        match self.type:
            case OptionType.STRING:
                return "a text without control characters"
            case OptionType.BOOL:
                return "true or false"
            case OptionType.SELECT:
                return f"one of {', '.join(self.choices)}"
            case OptionType.MAPPING:
                return "an object of names and values"
            case OptionType.INT | OptionType.FLOAT:
                kind = "a whole number" if self.type is OptionType.INT else "a number"
                return f"{kind}{_bounds(self.minimum, self.maximum)}"


def _is_number(value: Any) -> bool:
    """Return whether it is a number that is finite as a float, too; JSON has whole numbers that are not."""
    try:
        return type(value) in {int, float} and math.isfinite(value)
    except OverflowError:
        return False


def _bounds(least: float | None, most: float | None) -> str:
    if least is None:
        return "" if most is None else f" of at most {most:.15g}"
    return f" of at least {least:.15g}" if most is None else f" from {least:.15g} to {most:.15g}"


def secret_options(options: Sequence[ClusterOption]) -> frozenset[str]:
    """Return the names of those whose values are secret."""
    return frozenset(option.name for option in options if option.secret)


_FACTS: Final = frozenset({"scheduler", "workers"})
"""Members that reports once had among their options: a client that copies a cluster may send them back."""


def check_cluster_options(options: Sequence[ClusterOption], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chosen values, and the defaults of the other options; null stands for the default.

    Raises:
        UnknownOptionError: There is no such option.
        InvalidOptionError: A value is not one of its option.

    """
    known = {option.name: option for option in options}
    unknown = sorted(given.keys() - known.keys() - _FACTS)
    if unknown:
        first = shortened(unknown[0])
        raise UnknownOptionError(
            f"There is no cluster option {first!r}. There are: {listed(sorted(known))}.", field=f"options.{first}"
        )
    return {
        name: option.default if given.get(name) is None else option.check(given[name]) for name, option in known.items()
    }

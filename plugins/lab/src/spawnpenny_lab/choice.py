"""What a request chose: a size and an image by name, never by content."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from spawnpenny.api import InvalidOptionError, Resources, UnknownOptionError
from spawnpenny_lab.settings import LabSettings, Size

T = TypeVar("T")
_KNOWN = ("size", "image")


@dataclass(frozen=True, slots=True)
class Choice:
    """The size and the image of one lab."""

    size: Size
    image: str

    @property
    def resources(self) -> Resources:
        return Resources(self.size.cpu, self.size.memory, labs=1)


def choose(options: Mapping[str, Any], settings: LabSettings) -> Choice:
    """Return what a request's options stand for.

    Raises:
        UnknownOptionError: There is no such option, size or image.
        InvalidOptionError: A choice is not a name.

    """
    for name in options:
        if name not in _KNOWN:
            raise UnknownOptionError(
                f"There is no option {name!r}; there are {', '.join(_KNOWN)}.", field=f"options.{name}"
            )
    return Choice(_pick("size", options, settings.sizes), _pick("image", options, settings.images))


def _pick(option: str, options: Mapping[str, Any], table: Mapping[str, T]) -> T:
    name = options.get(option, next(iter(table)))
    field = f"options.{option}"
    if not isinstance(name, str):
        raise InvalidOptionError(f"The {option} is chosen by its name, a string.", field=field)
    if name not in table:
        nearest = difflib.get_close_matches(name, table, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise UnknownOptionError(
            f"There is no {option} {name[:64]!r}; there are {', '.join(table)}.{hint}", field=field
        )
    return table[name]

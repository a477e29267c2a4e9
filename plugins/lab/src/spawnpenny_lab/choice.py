"""What a request chose: a size and an image by name, never by content."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from spawnpenny.api import InvalidOptionError, UnknownOptionError
from spawnpenny_lab.settings import LabSettings
from spawnpenny_lab.template import Template

T = TypeVar("T")


def choose(options: Mapping[str, Any], settings: LabSettings) -> Template:
    """Return what the pod is made of that a request's options stand for.

    Raises:
        UnknownOptionError: There is no such option, size or image.
        InvalidOptionError: A choice is not a name.

    """
    tables: Mapping[str, Mapping[str, Any]] = {"size": settings.sizes, "image": settings.images}
    known = [option for option, table in tables.items() if table]
    for name in options:
        if name not in known:
            raise UnknownOptionError(
                f"There is no option {name!r}; there are {', '.join(known) or 'none'}.", field=f"options.{name}"
            )
    template = settings.template
    if "size" in options:
        template = _pick("size", options["size"], settings.sizes).of(template)
    if "image" in options:
        template = replace(template, image=_pick("image", options["image"], settings.images))
    return template


def _pick(option: str, name: Any, table: Mapping[str, T]) -> T:
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

"""Find the path of the setting that holds a wrong value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from spawnpenny.domain.templates import expand

_WORDS: Final = frozenset({"slug", "display_name", "description"})
"""Keys whose values are texts to read."""


def setting_path(
    plugins: Mapping[str, Any], subject: str, *, first: str, fields: Mapping[str, str], field: str = ""
) -> str:
    """Return the path of the setting that has a name or value, or else the section of the plugin.

    Args:
        plugins: The sections of the plugins, as they were written.
        subject: The name or value; templates are expanded before they are compared.
        first: The plugin that made the object: its section is searched first.
        fields: The fields with which the spawn's templates are expanded.
        field: The wrong field of the object; of several places, one in a section of the same name is returned.

    """
    parts = set(re.findall(r"\w+", field))
    names = [first, *(name for name in plugins if name != first)]
    for match in (_is_key, _is_value) if subject else ():
        for name in names:
            found = list(_paths(plugins.get(name) or {}, partial(match, subject, fields)))
            if found:
                path = next((path for path in found if parts.intersection(path.split("."))), found[0])
                return f"plugins.{name}.{path}"
    return f"plugins.{first}"


def _paths(value: Any, matches: Callable[[str, Any], bool]) -> Iterator[str]:
    for key, inner in _items(value):
        if matches(key, inner):
            yield key
        for path in _paths(inner, matches):
            yield f"{key}.{path}"


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(number), inner) for number, inner in enumerate(value))


def _is_key(subject: str, fields: Mapping[str, str], key: str, value: Any) -> bool:
    del fields, value
    return key == subject


def _is_value(subject: str, fields: Mapping[str, str], key: str, value: Any) -> bool:
    if value is None or isinstance(value, bool | Mapping | list | tuple) or key in _WORDS:
        return False
    text = str(value)
    if text == subject:
        return True
    try:
        return "{" in text and expand(text, fields) == subject
    except ValueError:
        return False

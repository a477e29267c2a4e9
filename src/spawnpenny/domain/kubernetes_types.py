"""Unknown keys in Kubernetes objects of the settings: the API server drops them silently.

``tools/kubernetes_types.py`` generates the table ``kubernetes_types.json``; a test compares it with the client library.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

Types = Mapping[str, Mapping[str, str]]

_TABLE: Final = "kubernetes_types.json"
_SHOWN: Final = 12


@cache
def kubernetes_types() -> Types:
    """Return the fields of each type, by name, with the type of their values where these are objects."""
    table: Types = json.loads((files("spawnpenny.domain") / _TABLE).read_text(encoding="utf-8"))
    return table


def unknown_key(value: Any, kind: str, *, own: bool = True) -> str | None:
    """Return which key in an object is no field of its type, where it stands, and which is nearest; None where all are.

    A text or a number where an object belongs is a fault as well.

    Args:
        value: The object. What is no mapping is not looked at.
        kind: The type of the object, as the Kubernetes client calls it: ``V1PodSpec``, or another that is part of it.
        own: Whether the object's own keys are looked at as well; where they are not, only those in its values are.

    """
    return _fault(value, kind, "") if own else _fault_within(value, kind, "")


def _fault_within(value: Any, kind: str, path: str) -> str | None:
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        of_inner = kubernetes_types()[kind].get(key)
        place = f"{path}.{key}" if path else str(key)
        if of_inner and inner is not None and (fault := _fault(inner, of_inner, place)):
            return fault
    return None


def _fault(value: Any, kind: str, path: str) -> str | None:
    if isinstance(value, list | tuple):
        faults = (_fault(entry, kind, f"{path}[{number}]") for number, entry in enumerate(value))
        return next((fault for fault in faults if fault), None)
    if not isinstance(value, Mapping):
        return f"{path}: this is no {kind.removeprefix('V1')}: write keys and values." if path else None
    fields = kubernetes_types()[kind]
    for key in value:
        if key not in fields:
            place = f"{path}: " if path else ""
            return f"{place}{key!r} is no field of a {kind.removeprefix('V1')}: {_hint(str(key), fields)}"
    return _fault_within(value, kind, path)


def _hint(key: str, fields: Mapping[str, str]) -> str:
    nearest = difflib.get_close_matches(key, fields, n=1)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    shown = ", ".join(list(fields)[:_SHOWN])
    return f"its fields are {shown}{' and others' if len(fields) > _SHOWN else ''}."

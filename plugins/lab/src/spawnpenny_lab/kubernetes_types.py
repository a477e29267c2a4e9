"""Unknown keys deep in Kubernetes objects that settings write: the API server drops them without a word.

The table ``kubernetes_types.json`` is made by ``tools/kubernetes_types.py``; a test compares it with the client.
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


@cache
def kubernetes_types() -> Types:
    """Return the fields of each type, by name, with the type of their values where these are objects."""
    table: Types = json.loads((files("spawnpenny_lab") / _TABLE).read_text(encoding="utf-8"))
    return table


def unknown_key(value: Any, kind: str, path: str = "") -> str | None:
    """Say which key in an object of a type there is not, and what was meant; None where all are known.

    The keys of the object itself are not looked at, as they may be written in snake case.
    """
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        of_inner = kubernetes_types()[kind].get(key)
        if of_inner and (fault := _fault(inner, of_inner, f"{path}.{key}" if path else str(key))):
            return fault
    return None


def _fault(value: Any, kind: str, path: str) -> str | None:
    if isinstance(value, list | tuple):
        faults = (_fault(each, kind, f"{path}[{number}]") for number, each in enumerate(value))
        return next((fault for fault in faults if fault), None)
    if not isinstance(value, Mapping):
        return None
    fields = kubernetes_types()[kind]
    for key in value:
        if key not in fields:
            nearest = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(fields)}."
            return f"{path}: {key!r} is no field of a {kind.removeprefix('V1')}: {hint}"
    return unknown_key(value, kind, path)

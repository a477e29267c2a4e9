"""Types of Kubernetes objects, read from the client library: their keys, and the type of each value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.library import field_types, required_fields

_MODELS: Final = {
    "Pod": "V1Pod",
    "Secret": "V1Secret",
    "ConfigMap": "V1ConfigMap",
    "Service": "V1Service",
    "ResourceQuota": "V1ResourceQuota",
    "LimitRange": "V1LimitRange",
    "PersistentVolumeClaim": "V1PersistentVolumeClaim",
    "NetworkPolicy": "V1NetworkPolicy",
}
_INNER: Final = re.compile(r"(list\[|dict\(str, )(.*)[\])]")
_QUANTITIES: Final = frozenset(
    {"limits", "requests", "hard", "default", "defaultRequest", "min", "max", "capacity", "overhead"}
)
"""Maps of quantities, which may be numbers too."""
_QUANTITY: Final = frozenset({"sizeLimit", "divisor"})
_WORDS: Final = {str: "a text", int: "a whole number", bool: "true or false", float: "a number"}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One part of an object that does not fit its type.

    If ``unknown``, Kubernetes drops the key silently; it refuses everything else. ``subject`` is the key.
    """

    path: str
    message: str
    subject: str
    unknown: bool = False


@dataclass
class ObjectTypes:
    """Check objects against their types. What was read of a type is cached."""

    _required: dict[str, frozenset[str]] = field(default_factory=dict)

    def mismatches(self, manifest: Manifest) -> Iterator[Mismatch]:
        """Yield the parts of an object that do not fit its type; nothing for a kind that is not known here."""
        model = _MODELS.get(str(manifest.get("kind")))
        if model is not None:
            yield from self._object(manifest, model, "")

    def fits(self, manifest: Manifest) -> bool:
        """Return whether each field that an object's type has is of the right type: it can be read."""
        return all(mismatch.unknown for mismatch in self.mismatches(manifest))

    def _value(self, value: Any, kind: str, path: str) -> Iterator[Mismatch]:
        if value is None or kind in {"object", "datetime"}:
            return
        if inner := _INNER.fullmatch(kind):
            yield from self._many(value, is_list=inner[1] == "list[", kind=inner[2], path=path)
        elif field_types(kind) is not None:
            yield from self._object(value, kind, path)
        else:
            yield from _plain(value, kind, path)

    def _many(self, value: Any, *, is_list: bool, kind: str, path: str) -> Iterator[Mismatch]:
        key = path.rpartition(".")[2]
        if is_list and isinstance(value, list | tuple):
            for number, item in enumerate(value):
                yield from self._value(item, kind, f"{path}[{_name(item, number)}]")
        elif not is_list and isinstance(value, Mapping):
            for name, item in value.items():
                if not (key in _QUANTITIES and _is_number(item)):
                    yield from self._value(item, kind, f"{path}.{name}")
        else:
            yield Mismatch(path, f"has to be {'a list' if is_list else 'a map'}", key)

    def _object(self, value: Any, model: str, path: str) -> Iterator[Mismatch]:
        if not isinstance(value, Mapping):
            yield Mismatch(path, "has to be a map of keys and values", path.rpartition(".")[2])
            return
        fields = field_types(model) or {}
        for key, inner in value.items():
            if key in fields:
                yield from self._value(inner, fields[key], f"{path}.{key}" if path else str(key))
            else:
                near = difflib.get_close_matches(str(key), fields, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                yield Mismatch(path, f"has no key {key!r}, so that Kubernetes drops it{hint}", str(key), unknown=True)
        for key in sorted(self._needed(model)):
            if value.get(key) is None:
                yield Mismatch(path, f"needs {key!r}", path.rpartition(".")[2])

    def _needed(self, model: str) -> frozenset[str]:
        if model not in self._required:
            self._required[model] = required_fields(model)
        return self._required[model]


def _plain(value: Any, kind: str, path: str) -> Iterator[Mismatch]:
    key = path.rpartition(".")[2]
    desired = {"str": str, "int": int, "bool": bool, "float": float}.get(kind)
    if desired is None or (key in _QUANTITY and _is_number(value)):
        return
    fits = isinstance(value, bool) if desired is bool else isinstance(value, desired) and not isinstance(value, bool)
    if not fits and not (desired is float and isinstance(value, int)):
        yield Mismatch(path, f"has to be {_WORDS[desired]}, not {value!r}", key)


def _name(item: Any, number: int) -> str:
    return str(item.get("name", number)) if isinstance(item, Mapping) else str(number)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

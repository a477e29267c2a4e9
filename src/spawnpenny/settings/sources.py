"""Sources of settings: a YAML file, and the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from spawnpenny.errors import SettingsError

_ENVIRONMENT: Final = "SPAWNPENNY_"
_SCALARS: Final = frozenset({"CLUSTER", "INSTALLATION", "PLUGINS_DIR"})


class _TwiceError(yaml.MarkedYAMLError):
    """A mapping has a key twice. YAML's own loader silently keeps the last one."""


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _TwiceError(problem=f"has the key {key.value!r} twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return node


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        SettingsError: The file cannot be read, or has no mapping.

    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"The settings file {path} is not UTF-8.") from None
    return parse_mapping(text, f"The settings file {path}")


def parse_mapping(text: str, what: str) -> dict[str, Any]:
    """Return the mapping in a YAML text. ``what`` is its name in messages.

    Raises:
        SettingsError: The text is not YAML, or has no mapping.

    """
    data = _parse(text, what)
    if not isinstance(data, dict | None):
        raise SettingsError(f"{what} has no mapping at the top level.")
    return data or {}


def overrides(environ: Mapping[str, str]) -> list[tuple[list[str], Any]]:
    """Return the overrides of the environment, as pairs of a path of keys and a value.

    Raises:
        SettingsError: A value is not YAML.

    """
    variables = _variables(environ)
    return [(keys, _parse(environ[name], f"The value of ${name}", placed=False)) for name, keys in variables]


def variable(field: str, environ: Mapping[str, str]) -> str:
    """Return the variable that set a field, as ``$NAME``, or an empty text. The field is a path with dots."""
    found = [name for name, keys in _variables(environ) if f"{field}.".startswith(f"{'.'.join(keys)}.")]
    return f"${found[-1]}" if found else ""


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    for name in sorted(environ):
        key = name.removeprefix(_ENVIRONMENT)
        # Kubernetes itself sets SPAWNPENNY_PORT, SPAWNPENNY_SERVICE_HOST and so on for a Service with our name.
        if key != name and ("__" in key or key in _SCALARS):
            yield name, [re.sub(r"\W", "-", part.lower()) for part in key.split("__")]


def _parse(text: str, what: str, *, placed: bool = True) -> Any:
    try:
        return _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        # The error's own text quotes the file, which may have a secret there.
        wrong = error.problem if isinstance(error, _TwiceError) else "is not YAML"
        raise SettingsError(f"{what} {wrong}{_place(error, text) if placed else ''}.") from None
    except RecursionError:
        raise SettingsError(f"{what} is nested too deep.") from None
    except ValueError:  # Python's own, when YAML converts a number or a date
        raise SettingsError(f"{what} has a number that is too long, or a date that does not exist.") from None


def _place(error: yaml.YAMLError, text: str) -> str:
    found, position = getattr(error, "problem_mark", None), getattr(error, "position", None)
    if found is not None:
        line, column = found.line + 1, found.column + 1
    elif isinstance(position, int):  # a character that YAML does not allow
        line, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
    else:
        return ""
    return f", at line {line}, column {column}"


def put(data: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set a value in nested mappings. An empty mapping does not replace an existing mapping."""
    for key in keys[:-1]:
        inner = data.get(key)
        data[key] = dict(inner) if isinstance(inner, Mapping) else {}
        data = data[key]
    if value != {} or not isinstance(data.get(keys[-1]), Mapping):
        data[keys[-1]] = value

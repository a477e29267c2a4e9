"""Where settings come from: a YAML file, and the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from spawnpenny.errors import SettingsError

_ENVIRONMENT: Final = "SPAWNPENNY_"
_SCALARS: Final = frozenset({"CLUSTER", "INSTALLATION"})


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a file holds.

    Raises:
        SettingsError: It cannot be read, or holds none.

    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"The settings file {path} is not UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # the error's own text quotes the file, which may hold secrets
        raise SettingsError(
            f"The settings file {path} is not YAML{f', at line {mark.line + 1}' if mark else ''}."
        ) from None
    if not isinstance(data, dict | None):
        raise SettingsError(f"The settings file {path} holds no mapping at its top.")
    return data or {}


def overrides(environ: Mapping[str, str]) -> list[tuple[list[str], Any]]:
    """Return what the environment overrides: the keys from the outermost, and the value.

    Raises:
        SettingsError: A value is not YAML.

    """
    found = []
    for name in sorted(environ):
        key = name.removeprefix(_ENVIRONMENT)
        # Kubernetes itself sets SPAWNPENNY_PORT, SPAWNPENNY_SERVICE_HOST … where a Service has our name.
        if key != name and ("__" in key or key in _SCALARS):
            keys = [re.sub(r"\W", "-", part.lower()) for part in key.split("__")]
            found.append((keys, _read_value(name, environ[name])))
    return found


def _read_value(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise SettingsError(f"The value of ${name} is not YAML.") from None


def put(data: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set a value in nested mappings."""
    for key in keys[:-1]:
        inner = data.get(key)
        data[key] = dict(inner) if isinstance(inner, Mapping) else {}
        data = data[key]
    data[keys[-1]] = value

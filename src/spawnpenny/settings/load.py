"""Load the settings from a YAML file and the environment.

``--settings FILE`` or ``$SPAWNPENNY_SETTINGS`` names the file. Then variables such as ``SPAWNPENNY_WEB__PORT=8081``
override it: double underscores separate the keys, in lower case, and the value is YAML.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from spawnpenny.errors import SettingsError
from spawnpenny.settings.model import PLUGIN_GROUP, Settings
from spawnpenny.settings.schema import load_strict, schema_of, without
from spawnpenny.settings.sources import overrides, put, read_yaml
from spawnpenny.settings.standard_plugins import standard_plugins


def load_settings(file: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Load the settings from a file (by default ``$SPAWNPENNY_SETTINGS``) and the environment.

    Raises:
        SettingsError: The file cannot be read, or a setting is wrong. The message has the setting and a right value.

    """
    environ = os.environ if environ is None else environ
    path = file or environ.get("SPAWNPENNY_SETTINGS")
    data = read_yaml(Path(path)) if path else {}
    return combine(data, environ, source=path or "the environment")


def combine(data: Mapping[str, Any], environ: Mapping[str, str], *, source: str) -> Settings:
    """Make settings from the content of a file, overridden by the environment.

    Raises:
        SettingsError: A setting is wrong.

    """
    data = _with_plugins(data)
    for keys, value in overrides(environ):
        put(data, keys, value)
    return make_settings(data, source=source, environ=environ)


def load_what_is_valid(file: str | None = None, environ: Mapping[str, str] | None = None) -> tuple[Settings, list[str]]:
    """Load the settings like ``load_settings``, but with the defaults for wrong sections.

    Returns:
        The settings, and their errors: none if ``load_settings`` would accept them.

    Raises:
        SettingsError: The file or the environment cannot be read at all.

    """
    environ = os.environ if environ is None else environ
    path = file or environ.get("SPAWNPENNY_SETTINGS")
    data = _with_plugins(read_yaml(Path(path)) if path else {})
    for keys, value in overrides(environ):
        put(data, keys, value)
    wrong: list[str] = []
    source = path or "the environment"
    for rest in (data, without(schema_of(Settings)(), data)):
        try:
            return make_settings(rest, source=source, environ=environ), wrong
        except SettingsError as error:
            wrong.append(error.message)
    return Settings(plugins=_plugins(data)), wrong


def _plugins(data: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    sections = data.get("plugins")
    known = sections.items() if isinstance(sections, Mapping) else ()
    return {str(name): section or {} for name, section in known if isinstance(section or {}, Mapping)}


def make_settings(
    data: Mapping[str, Any], *, source: str = "the settings", environ: Mapping[str, str] | None = None
) -> Settings:
    """Make settings from the content of a settings file.

    Args:
        data: The content.
        source: The name of the file, for messages.
        environ: The environment variables that have overridden settings.

    Raises:
        SettingsError: A setting is wrong.

    """
    settings: Settings = load_strict(schema_of(Settings)(), _with_plugins(data), "", source, environ)
    if settings.users.uid < settings.users.min_uid:
        raise SettingsError(
            f"users.uid is {settings.users.uid}, below users.min_uid ({settings.users.min_uid}), in {source}."
        )
    return settings


def _with_plugins(data: Mapping[str, Any]) -> dict[str, Any]:
    """Add the installed standard plugins if there is no section ``plugins``: a site may leave one out."""
    if "plugins" in data:
        return dict(data)
    return {**data, "plugins": {name: {} for name in standard_plugins(entry_points(group=PLUGIN_GROUP))}}

"""Load the settings: a YAML file and the environment, through marshmallow, into the dataclasses of ``settings``.

``--settings FILE`` or ``$SPAWNPENNY_SETTINGS`` names the file. Then variables such as ``SPAWNPENNY_WEB__PORT=8081``
override it: the parts between double underscores are the keys, in lower case, and the value is read as YAML.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from spawnpenny.errors import SettingsError
from spawnpenny.settings.model import PLUGIN_GROUP, STANDARD_PLUGINS, Settings
from spawnpenny.settings.schema import load_strict, schema_of, without
from spawnpenny.settings.sources import overrides, put, read_yaml


def load_settings(file: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from a file (default: ``$SPAWNPENNY_SETTINGS``, else none) and the environment.

    Raises:
        SettingsError: The file cannot be read, or a setting is wrong: which, and what would be right.

    """
    environ = os.environ if environ is None else environ
    path = file or environ.get("SPAWNPENNY_SETTINGS")
    data = read_yaml(Path(path)) if path else {}
    return combine(data, environ, source=path or "the environment")


def combine(data: Mapping[str, Any], environ: Mapping[str, str], *, source: str) -> Settings:
    """Make settings from what a settings file holds, and the environment over it.

    Raises:
        SettingsError: A setting is wrong.

    """
    data = _with_plugins(data)
    for keys, value in overrides(environ):
        put(data, keys, value)
    return make_settings(data, source=source, environ=environ)


def load_what_is_valid(file: str | None = None, environ: Mapping[str, str] | None = None) -> tuple[Settings, list[str]]:
    """Read the settings as ``load_settings`` does, but with the defaults of the sections that are wrong.

    Returns:
        The settings, and what is wrong with them: nothing where ``load_settings`` takes them.

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
    """Make settings from what a settings file holds.

    Args:
        data: What it holds.
        source: What it is called in the messages.
        environ: The variables that have overridden some of it.

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
    """Load the standard plugins that are installed, where there is no section ``plugins``: a site may leave one out."""
    if "plugins" in data:
        return dict(data)
    installed = {entry.name for entry in entry_points(group=PLUGIN_GROUP)}
    return {**data, "plugins": {name: {} for name in STANDARD_PLUGINS if name in installed}}

"""``spawnpenny plugins``: print the plugins, even if they do not fit together."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import TYPE_CHECKING

import click

from spawnpenny.cli import exits
from spawnpenny.cli.options import settings_option
from spawnpenny.errors import PluginError, SettingsError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.plugin.plugin_files import PLUGINS_DIR, PluginFiles
from spawnpenny.settings.load import load_settings
from spawnpenny.settings.model import PLUGIN_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from spawnpenny.settings.model import Settings

    Row = tuple[str, str, str, str, str]


@click.command()
@settings_option
def plugins(file: str | None) -> int:
    """Print the installed plugins and their steps.

    Plugins in the folder plugins_dir are among them. It also shows their distributions, and which plugins the settings
    load. If the plugins do not fit together, the reason follows.
    """
    settings = load_settings(file)
    try:
        infos = load_plugins(settings).infos()
    except (PluginError, SettingsError) as error:
        _print(_unloaded(settings))
        click.echo(error.message, err=True)
        return exits.USAGE
    loaded = {True: "yes", False: "no"}
    _print(
        (
            info.name,
            loaded[info.loaded],
            f"{info.distribution} {info.version}".rstrip(),
            info.module,
            ", ".join(info.steps),
        )
        for info in infos
    )
    return exits.DONE


def _print(found: Iterable[Row]) -> None:
    rows = [("plugin", "loaded", "distribution", "module", "steps"), *found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _unloaded(settings: Settings) -> Iterator[Row]:
    """Yield the known facts about plugins that cannot be loaded together."""
    installed = sorted(entry_points(group=PLUGIN_GROUP), key=lambda entry: entry.name)
    for entry in installed:
        source = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
        desired = entry.name in settings.plugins
        yield (
            entry.name,
            "requested" if desired else "no",
            source,
            entry.value,
            _steps(entry, settings) if desired else "",
        )
    files = _files(settings)
    for name, path in files.items():
        yield name, "requested" if name in settings.plugins else "no", PLUGINS_DIR, str(path), ""
    for name in sorted(settings.plugins.keys() - {entry.name for entry in installed} - files.keys()):
        yield name, "requested", "not installed", "", ""


def _files(settings: Settings) -> dict[str, Path]:
    try:
        return PluginFiles(settings.plugins_dir).paths
    except PluginError:  # the reason follows the table
        return {}


def _steps(entry: EntryPoint, settings: Settings) -> str:
    try:
        hook = entry.load().spawnpenny_steps
        return ", ".join(step.name for step in hook(**dict.fromkeys(signature(hook).parameters, settings)))
    except Exception:  # noqa: BLE001 - the plugin itself may be the broken part
        return "?"

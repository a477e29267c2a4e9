"""``spawnpenny plugins``: print the installed plugins."""

from __future__ import annotations

import click

from spawnpenny.cli.options import settings_option
from spawnpenny.plugins import load_plugins
from spawnpenny.settings import load_settings


@click.command()
@settings_option
def plugins(file: str | None) -> None:
    """Print the installed plugins, where each is from, whether the settings load it, and its steps."""
    rows = [("plugin", "loaded", "distribution", "module", "steps")]
    for info in load_plugins(load_settings(file)).infos():
        loaded, source = "yes" if info.loaded else "no", f"{info.distribution} {info.version}"
        rows.append((info.name, loaded, source, info.module, ", ".join(info.steps)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())

"""Options that several subcommands share."""

from __future__ import annotations

import click

settings_option = click.option(
    "--settings",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The settings file; default: $SPAWNPENNY_SETTINGS, or none.",
)

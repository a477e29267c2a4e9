"""The subcommand of the proxy: its name and help, without what it needs to run."""

from __future__ import annotations

import click

from spawnpenny.api.commands import LazyCommand


def spawnpenny_commands() -> list[click.Command]:
    help_line = "Run the proxy of Dask clusters until SIGTERM or Ctrl-C."
    return [LazyCommand("proxy", help_line, "spawnpenny_dask_proxy.command:proxy")]

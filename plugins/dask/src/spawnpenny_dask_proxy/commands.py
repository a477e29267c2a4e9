"""The subcommands of the plugin: their names and help, without what they need to run."""

from __future__ import annotations

import click

from spawnpenny.api.commands import LazyCommand


def spawnpenny_commands() -> list[click.Command]:
    about_dask = "List, scale and stop Dask clusters of a running service."
    about_proxy = "Run the proxy of Dask clusters until SIGTERM or Ctrl-C."
    return [
        LazyCommand("dask", about_dask, "spawnpenny_dask_cli.command:dask"),
        LazyCommand("proxy", about_proxy, "spawnpenny_dask_proxy.command:proxy"),
    ]

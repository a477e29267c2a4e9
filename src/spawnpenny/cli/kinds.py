"""Kinds of spawns: ``spawnpenny kinds``, and kinds as arguments of subcommands."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from spawnpenny.cli import exits
from spawnpenny.cli.kind_tables import kind_table
from spawnpenny.cli.service import Target, output_option, service_options
from spawnpenny.clients.http import Client

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins


@click.command(epilog="\b\nExample:\n  spawnpenny kinds")
@service_options
@output_option
def kinds(*, target: Target, output: str) -> int:
    """List the kinds of spawns of a running service. Each is a subcommand, such as spawnpenny KIND list."""

    async def work(client: Client) -> None:
        found = await client.kinds()
        if output == "json":
            click.echo(json.dumps({"kinds": [asdict(kind) for kind in found]}, indent=2, ensure_ascii=False))
        else:
            click.echo("\n".join(kind_table(found)))

    return target.run(work)


def demand_kind(plugins: Plugins, kind: str) -> None:
    """Refuse a kind that no loaded plugin has.

    Raises:
        UsageError: The kind, and the kinds of the loaded plugins.

    """
    if kind not in plugins.kinds:
        raise exits.UsageError(f"No loaded plugin has the kind {kind!r}. The kinds are {', '.join(plugins.kinds)}.")

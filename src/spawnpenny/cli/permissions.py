"""``spawnpenny permissions``: print the rights that the service and the broker need of Kubernetes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import yaml

from spawnpenny.cli.options import settings_option
from spawnpenny.configuration import load_settings
from spawnpenny.permissions.grants import gather
from spawnpenny.permissions.manifests import make_manifests
from spawnpenny.permissions.table import make_table
from spawnpenny.plugins import load_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spawnpenny.settings import Settings


@click.command()
@settings_option
@click.option(
    "--output",
    type=click.Choice(["table", "yaml", "json"]),
    default="table",
    show_default=True,
    help="A table to read, or the roles and bindings as manifests.",
)
def permissions(file: str | None, output: str) -> None:
    """Print the rights that the service and the broker need of Kubernetes, for exactly the plugins in the settings.

    The manifests have no service accounts and no namespaces: those are the deployment's.
    """
    settings = load_settings(file)
    grants = gather(settings, load_plugins(settings))
    if output == "table":
        click.echo("\n".join((*make_table(grants, settings), "", *_notes(settings))))
    elif output == "yaml":
        click.echo(yaml.safe_dump_all(make_manifests(grants, settings), sort_keys=False), nl=False)
    else:
        items = make_manifests(grants, settings)
        click.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2))


def _notes(settings: Settings) -> Iterator[str]:
    if settings.broker.separate:
        yield f"The broker binds the ClusterRole {settings.broker.role}, and no other, in each user namespace."
    else:
        yield (
            "broker.separate is false: the service has the broker's rights too, and whoever takes it over can bind "
            f"the ClusterRole {settings.broker.role} in any namespace."
        )
    yield "JupyterHub and the labs need no rights."

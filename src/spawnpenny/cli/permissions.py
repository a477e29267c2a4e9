"""``spawnpenny permissions``: print the Kubernetes rights of the service and the broker."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from spawnpenny.admin.permissions.fence import make_fence
from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.kustomize import (
    FOLDER,
    includes_component,
    make_component,
    placeholder_component,
    write_component,
)
from spawnpenny.admin.permissions.manifests import make_manifests
from spawnpenny.admin.permissions.table import make_table
from spawnpenny.broker.namespaces import release_role
from spawnpenny.broker.orders import Orders, OrdersFile
from spawnpenny.cli import exits
from spawnpenny.cli.deployment import deployment_of, deployment_options
from spawnpenny.cli.options import settings_option
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.settings.model import Settings


@click.command()
@settings_option
@deployment_options
@click.option(
    "--output",
    type=click.Choice(["table", "yaml", "json", "kustomize"]),
    default="table",
    show_default=True,
    help="A table, the manifests of roles and bindings, or a component for an overlay.",
)
def permissions(file: str | None, overlay: Path | None, rendered: Path | None, output: str) -> None:
    """Print the Kubernetes rights of the service and the broker.

    They are exactly the rights that the settings and their plugins need. The manifests have no ServiceAccounts and
    namespaces, which belong to the deployment. The kustomize component gives these rights to the roles of the base, and
    the names and openings of the settings to the fence; with --overlay it is written into the overlay.
    """
    with placeholder_component(overlay) if overlay is not None else nullcontext():
        deployment = deployment_of(file, overlay, rendered)
    settings = load_settings(file) if deployment is None else deployment.settings()
    grants = gather(settings, load_plugins(settings))
    if output == "kustomize":
        orders = _orders(settings) if deployment is None else deployment.orders()
        _output_component(make_manifests(grants, settings), make_fence(settings, orders), settings, overlay)
    elif output == "table":
        click.echo("\n".join((*make_table(grants, settings), "", *_notes(settings))))
    elif output == "yaml":
        click.echo(yaml.safe_dump_all(make_manifests(grants, settings), sort_keys=False), nl=False)
    else:
        items = make_manifests(grants, settings)
        click.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2))


def _orders(settings: Settings) -> Orders:
    path = settings.broker.orders
    if path is not None and not Path(path).is_file():
        click.echo(
            f"The orders file {path} does not exist here, so the fence has no openings for orders. Use --overlay.",
            err=True,
        )
        return Orders()
    return OrdersFile(path).read()


def _output_component(
    manifests: list[Manifest], fence: list[Manifest], settings: Settings, overlay: Path | None
) -> None:
    if not settings.broker.separate:
        raise exits.UsageError("broker.separate is false, but the base has roles for two accounts. Use --output yaml.")
    text = make_component(manifests, fence)
    if overlay is None:
        click.echo(text, nl=False)
        return
    click.echo(f"Written: {write_component(overlay, text)}")
    if not includes_component(overlay):
        click.echo(f"The overlay does not use it yet: add `- {FOLDER}` to its components, after all others.")


def _notes(settings: Settings) -> Iterator[str]:
    if settings.broker.separate:
        role = settings.broker.role
        yield f"The broker binds the ClusterRole {role} for the service in each user namespace. Before it deletes a"
        yield f"namespace, it binds {release_role(settings.broker)} for itself. It binds no other roles."
    else:
        yield (
            "broker.separate is false: the service has the broker's rights, too. An intruder could bind "
            f"the ClusterRole {settings.broker.role} in any namespace."
        )
    yield "JupyterHub and the labs need no rights."

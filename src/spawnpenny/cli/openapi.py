"""``spawnpenny openapi``: print the OpenAPI document."""

from __future__ import annotations

import json

import click

from spawnpenny.app import routes
from spawnpenny.cli.options import settings_option
from spawnpenny.dask.gateway.cookies import NAME as COOKIE
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import load_settings
from spawnpenny.web.openapi.document import make_document


@click.command()
@settings_option
def openapi(file: str | None) -> None:
    """Print the OpenAPI document of the HTTP API, with the routes of the plugins."""
    plugins = load_plugins(load_settings(file))
    click.echo(json.dumps(make_document(routes(plugins), cookie=COOKIE), indent=2, ensure_ascii=False))

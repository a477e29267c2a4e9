"""``spawnpenny openapi``: print the OpenAPI document."""

from __future__ import annotations

import json

import click

from spawnpenny.cli.options import settings_option
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import load_settings
from spawnpenny.web.openapi.document import make_document
from spawnpenny.web.routes import routes


@click.command()
@settings_option
def openapi(file: str | None) -> None:
    """Print the OpenAPI document of the HTTP API.

    It has the routes of the loaded plugins, too.
    """
    plugins = load_plugins(load_settings(file))
    click.echo(json.dumps(make_document(routes(plugins)), indent=2, ensure_ascii=False))

"""``spawnpenny openapi``: print the OpenAPI document."""

from __future__ import annotations

import json

import click

from spawnpenny.app import routes
from spawnpenny.dask.gateway.cookies import NAME as COOKIE
from spawnpenny.web.openapi.document import make_document


@click.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP API."""
    click.echo(json.dumps(make_document(routes(), cookie=COOKIE), indent=2, ensure_ascii=False))

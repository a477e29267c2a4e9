"""``spawnpenny serve``: run the service."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import structlog

from spawnpenny.aio.descriptors import raise_descriptor_limit
from spawnpenny.aio.race import until_first
from spawnpenny.cli.exits import CommandError
from spawnpenny.cli.logging import configure_logs
from spawnpenny.cli.options import settings_option
from spawnpenny.cli.runtime import serving
from spawnpenny.cli.signals import run_until_signal
from spawnpenny.settings.load import load_settings

if TYPE_CHECKING:
    from spawnpenny.aio.supervisor import Supervisor
    from spawnpenny.settings.model import Settings


@click.command()
@settings_option
@click.option("--host", metavar="ADDRESS", help="The address to listen on; default: the setting web.host.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port; default: the setting web.port. 0 for any free port."
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
    help="The least severe level to log.",
)
def serve(file: str | None, host: str | None, port: int | None, log_level: str) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    Spawns that are starting or stopping then stay as they are; the next service continues with them.
    """
    settings = load_settings(file)
    web = settings.web
    web = replace(web, host=web.host if host is None else host, port=web.port if port is None else port)
    configure_logs("console" if sys.stderr.isatty() else "json", level=log_level)
    raise_descriptor_limit()
    run_until_signal(run_server(replace(settings, web=web)))


async def run_server(settings: Settings, *, supervisor: Supervisor | None = None) -> None:
    """Run the service until cancelled.

    Raises:
        CommandError: An essential task keeps failing, or another process has taken its place.

    """
    log = structlog.get_logger("spawnpenny.serve")
    async with serving(settings, supervisor=supervisor) as served:
        log.info("listening", host=settings.web.host, port=served.port, cluster=settings.cluster)
        if not settings.tokens:
            log.warning("the settings have no tokens: only credentials that other authenticators know are accepted")
        try:
            await until_first(served.replaced.wait(), served.given_up.wait())
            if served.given_up.is_set():
                raise CommandError(
                    "An essential task of the service keeps failing. The log has its name and the error."
                )
            raise CommandError(
                "Another process has taken the place of this one. The setting replicas.name has to be unique."
            )
        finally:
            log.info("ending")

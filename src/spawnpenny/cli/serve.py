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
@click.option("--host", help="Where to listen, instead of the setting web.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, instead of the setting web.port; 0 for any.")
@click.option("--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]), default="INFO")
def serve(file: str | None, host: str | None, port: int | None, log_level: str) -> None:
    """Run the service until it is asked to end (SIGTERM, Ctrl-C).

    What is under way then is left as it is; the service that starts next goes on with it.
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
        CommandError: It cannot do its work any more, or another process has taken its place.

    """
    log = structlog.get_logger("spawnpenny.serve")
    async with serving(settings, supervisor=supervisor) as served:
        log.info("listening", host=settings.web.host, port=served.port, cluster=settings.cluster)
        if not settings.tokens:
            log.warning("there are no tokens in the settings: only what other authenticators know is let in")
        try:
            await until_first(served.replaced.wait(), served.given_up.wait())
            if served.given_up.is_set():
                raise CommandError(
                    "A task that the service cannot do without keeps failing; the log says which and why."
                )
            raise CommandError("Another process took the place of this one: replicas.name has to differ for each.")
        finally:
            log.info("ending")

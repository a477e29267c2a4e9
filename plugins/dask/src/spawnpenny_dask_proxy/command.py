"""``spawnpenny proxy``: pass TLS through to the schedulers of Dask clusters, and serve their dashboards."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import structlog

from spawnpenny.api.commands import CommandError, UsageError, settings_option
from spawnpenny.api.serving import configure_logs, load_settings, raise_descriptor_limit, run_until_signal
from spawnpenny_dask_proxy.server import running_proxy

if TYPE_CHECKING:
    from spawnpenny.api import Settings

VARIABLE: Final = "SPAWNPENNY_PROXY_TOKEN"


@click.command()
@settings_option
@click.option("--token-file", metavar="FILE", help=f"A file with the proxy's token; default: the token in ${VARIABLE}.")
@click.option(
    "--drain",
    metavar="SECONDS",
    type=click.FloatRange(0, 86_400),
    default=0,
    show_default=True,
    help="At the end, wait this long for open connections.",
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
    help="The least severe level to log.",
)
def proxy(file: str | None, token_file: str | None, drain: float, log_level: str) -> None:
    """Run the proxy of Dask clusters until SIGTERM or Ctrl-C.

    Its token needs the scope routes. The proxy has no rights in Kubernetes, and no keys of Dask clusters.
    """
    settings = load_settings(file)
    configure_logs("console" if sys.stderr.isatty() else "json", level=log_level)
    run_until_signal(_run(settings, _token(token_file), drain))


async def _run(settings: Settings, token: str, drain: float) -> None:
    log = structlog.get_logger("spawnpenny.proxy")
    raise_descriptor_limit()
    async with running_proxy(settings, token) as proxy:
        where = {"host": settings.gateway.host, "port": proxy.port, "dashboard_port": proxy.dashboard_port}
        gc.collect()
        gc.freeze()  # these objects live on: collecting them again and again would delay connections
        log.info("listening", **where, service=settings.gateway.service)
        try:
            await proxy.supervisor.given_up.wait()
            raise CommandError("An essential task of the proxy keeps failing. The log has its name and the error.")
        finally:
            await proxy.stop_listening()
            log.info("ending", connections=len(proxy.passthrough))  # from here on, new connections are refused
            await proxy.drain(drain)


def _token(file: str | None) -> str:
    if file is None:
        token = os.environ.get(VARIABLE, "")
        if not token.strip():
            raise UsageError(f"The proxy's token is missing. Name its file with --token-file, or set ${VARIABLE}.")
        return token.strip()
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"--token-file: {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"--token-file: {file} is not UTF-8.") from None
    if not token:
        raise UsageError(f"--token-file: {file} is empty.")
    return token

"""``spawnpenny broker``: run the broker, which makes user namespaces and runs the site's orders."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from spawnpenny.aio.descriptors import raise_descriptor_limit
from spawnpenny.broker.metrics import broker_metrics
from spawnpenny.broker.server import BrokerServer, run_broker
from spawnpenny.cli.exits import CommandError
from spawnpenny.cli.kubernetes import open_kubernetes
from spawnpenny.cli.logging import configure_logs
from spawnpenny.cli.options import settings_option
from spawnpenny.cli.signals import run_until_signal
from spawnpenny.errors import SettingsError
from spawnpenny.serving.auxiliary import auxiliary_application
from spawnpenny.serving.metrics.exposition import Exposition
from spawnpenny.serving.server import CONNECTIONS, connections_of, listening
from spawnpenny.settings.load import load_settings

if TYPE_CHECKING:
    from spawnpenny.settings.model import Settings

_SERVER: Final = web.AppKey("server", BrokerServer)
_METRICS: Final = web.AppKey("metrics", Exposition)


@click.command()
@settings_option
@click.option(
    "--health-port",
    type=click.IntRange(0, 65535),
    default=8081,
    show_default=True,
    help="The port of /healthz, /readyz and /metrics; 0 for any free port.",
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
    help="The least severe level to log.",
)
def broker(file: str | None, health_port: int, log_level: str) -> None:
    """Run the broker until SIGTERM or Ctrl-C.

    Run two brokers: one leads, the other stands by. Orders that run when the broker ends go on in the cluster, and the
    next leader adopts them.
    """
    settings = load_settings(file)
    if settings.cluster == "embedded":
        raise SettingsError(
            "The embedded cluster and its broker run within the service. Run `spawnpenny serve` instead."
        )
    configure_logs("console" if sys.stderr.isatty() else "json", level=log_level)
    raise_descriptor_limit()
    run_until_signal(_run(settings, health_port))


async def _run(settings: Settings, health_port: int) -> None:
    async with open_kubernetes() as cluster, run_broker(cluster, settings) as server:
        routes = [("GET", "/healthz", _get_healthz), ("GET", "/readyz", _get_readyz)]
        if settings.web.metrics:
            routes.append(("GET", "/metrics", _get_metrics))
        app = auxiliary_application(routes)
        app[_SERVER] = server
        app[CONNECTIONS] = connections = connections_of(settings)
        if settings.web.metrics:
            app[_METRICS] = broker_metrics(server, connections)
        async with listening(app, settings.web.host, health_port, supervisor=server.supervisor) as port:
            structlog.get_logger("spawnpenny.broker").info("listening", host=settings.web.host, port=port)
            await server.supervisor.given_up.wait()
            raise CommandError("An essential task of the broker keeps failing. The log has its name and the error.")


async def _get_healthz(request: web.Request) -> web.Response:
    """Answer 200, or 503 if only a restart can help."""
    if request.app[_SERVER].supervisor.hopeless():
        return web.json_response({"status": "failing"}, status=503)
    return web.json_response({"status": "ok"})


async def _get_readyz(request: web.Request) -> web.Response:
    """Answer 200 once the state of the cluster is known, while leading and while standing by."""
    server = request.app[_SERVER]
    if unwell := server.supervisor.unwell():
        return web.json_response({"status": "failing", "tasks": unwell}, status=503)
    if not server.ready:
        return web.json_response({"status": "starting"}, status=503)
    return web.json_response({"status": "leading" if server.leading else "standing by"})


async def _get_metrics(request: web.Request) -> web.Response:
    return web.Response(body=request.app[_METRICS].text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

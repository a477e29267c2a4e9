"""The web application: the HTTP API, with the routes of plugins and all middlewares."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.service import run_service
from spawnpenny.serving.client_address import ClientAddresses
from spawnpenny.serving.expectations import UnknownExpectations, answer_expectation
from spawnpenny.serving.prefix import PREFIX
from spawnpenny.serving.server import CONNECTIONS, connections_of
from spawnpenny.web.app_keys import CLIENT_ADDRESSES, CLOSING, DOCUMENT, LIMITS, METRICS, SERVICE
from spawnpenny.web.dialect import DIALECTS, Dialects
from spawnpenny.web.labs import lab_gauges
from spawnpenny.web.metrics.broker import CountedBroker
from spawnpenny.web.metrics.kinds import kind_gauges
from spawnpenny.web.metrics.plugin_gauges import plugin_gauges
from spawnpenny.web.metrics.registry import Metrics
from spawnpenny.web.middleware.access_log import access_log, put_headers
from spawnpenny.web.middleware.authorize import authorize
from spawnpenny.web.middleware.errors import error_middleware
from spawnpenny.web.middleware.forward_to_owner import forward_to_owner, peer_session
from spawnpenny.web.middleware.hold_until_ready import hold_until_ready
from spawnpenny.web.middleware.rate_limit import Limits
from spawnpenny.web.openapi.document import Document
from spawnpenny.web.routes import routes
from spawnpenny.web.tickets import TICKETS, Tickets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from spawnpenny.domain.broker import Broker
    from spawnpenny.kubernetes.interface import Cluster
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings
    from spawnpenny.web.route import Route

_PART: Final = re.compile(r"\{(\w+)\}")


def create_app(
    settings: Settings,
    plugins: Plugins,
    cluster: Cluster,
    broker: Broker,
    *,
    metrics: Metrics | None = None,
    supervisor: Supervisor | None = None,
) -> web.Application:
    """Make the application. The service starts and stops with it; the caller closes the cluster.

    Cleanup leaves spawns as they are: the service that starts next goes on with them.

    Args:
        settings: The settings.
        plugins: The loaded plugins.
        cluster: The cluster, which counts its calls in ``metrics``.
        broker: The broker, or a client of it.
        metrics: The metrics of the application; new ones by default.
        supervisor: The supervisor of the tasks, if the broker in this process already has one.

    """
    metrics = metrics or Metrics()
    table = routes(plugins, metrics=settings.web.metrics)
    accesses = {(method, route.path): route.access for route in table for method in route.methods}
    app = web.Application(
        middlewares=[access_log, error_middleware, hold_until_ready, authorize(accesses), forward_to_owner],
        client_max_size=settings.web.max_body,
    )
    app[CLOSING], app[DOCUMENT] = asyncio.Event(), Document(table)
    app[PREFIX] = plugins.kinds.hub_prefix if settings.web.prefix is None else settings.web.prefix
    app[CLIENT_ADDRESSES], app[METRICS], app[LIMITS], app[TICKETS], app[DIALECTS], app[CONNECTIONS] = (
        ClientAddresses(settings.web),
        metrics,
        Limits(settings.limits),
        Tickets(),
        Dialects(dict.fromkeys(route.dialect for route in table if route.dialect)),
        connections_of(settings),
    )
    _add_routes(app, table)
    app.on_response_prepare.append(put_headers)
    app.on_shutdown.append(_close)

    async def peers(app: web.Application) -> AsyncIterator[None]:
        async with peer_session(app, settings):
            yield

    async def service(app: web.Application) -> AsyncIterator[None]:
        async with _running(app, settings, plugins, cluster, broker, supervisor or Supervisor()):
            yield

    app.cleanup_ctx.extend([peers, service])  # peers first: errors in the settings are reported before anything runs
    return app


@asynccontextmanager
async def _running(
    app: web.Application,
    settings: Settings,
    plugins: Plugins,
    cluster: Cluster,
    broker: Broker,
    supervisor: Supervisor,
) -> AsyncIterator[None]:
    """Run the service of the application, with the plugins' authenticators and the metrics."""
    metrics = app[METRICS]
    counted = CountedBroker(broker, metrics.broker)
    async with AsyncExitStack() as stack:
        for authenticator in plugins.authenticators:
            await stack.enter_async_context(authenticator)
        await stack.enter_async_context(metrics.observing(plugins, supervisor=supervisor))
        app[SERVICE] = await stack.enter_async_context(
            run_service(settings, plugins, cluster, counted, supervisor=supervisor)
        )
        metrics.export_gauges(app[SERVICE], app[LIMITS], app[CONNECTIONS], kind_gauges, lab_gauges, plugin_gauges)
        yield


def _add_routes(app: web.Application, table: Sequence[Route]) -> None:
    paths = {route.path for route in table}
    for route in table:
        # Empty names and names with braces match, so that the handler can refuse them with a clear message.
        pattern = _PART.sub(r"{\1:[^/]*}", route.path)
        if _PART.sub("", route.path) in paths:  # with an empty name, this is the path of another route
            pattern = _PART.sub(r"{\1:[^/]+}", route.path)
        for method in route.methods:
            app.router.add_route(method, pattern, route.handler, name=route.name, expect_handler=answer_expectation)
    app.router.register_resource(UnknownExpectations())  # last, for every other path


async def _close(app: web.Application) -> None:
    app[CLOSING].set()

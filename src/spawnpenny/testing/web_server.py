"""The web application of a site, served on loopback, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import aiohttp
from aiohttp import web

from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.app import create_app
from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.broker.local import run_local_broker
from spawnpenny.domain.broker import Broker
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.service import Service
from spawnpenny.serving.certificates import certificate_of
from spawnpenny.serving.server import listening
from spawnpenny.settings.model import Settings
from spawnpenny.testing.ports import LOOPBACK
from spawnpenny.testing.site import Site
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.metrics.registry import Metrics
from spawnpenny.web.routes import routes

__all__ = ["OpenBroker", "WebServer", "routes", "serve_site", "token_settings"]

OpenBroker: TypeAlias = Callable[..., AbstractAsyncContextManager[Broker]]


def token_settings(callers: Mapping[str, tuple[Iterable[str], str | None]]) -> dict[str, Any]:
    """Return the settings of static tokens by name, from their scopes and user; the token is ``<name>-token``."""
    return {
        name: {"sha256": hash_token(f"{name}-token"), "scopes": list(scopes), "user": user}
        for name, (scopes, user) in callers.items()
    }


@dataclass(frozen=True)
class WebServer:
    """A served application."""

    app: web.Application
    url: str
    port: int

    @property
    def service(self) -> Service:
        return self.app[SERVICE]

    def client(self, name: str | None = None) -> aiohttp.ClientSession:
        """Make a client that sends the token of that name, or none; it believes any certificate."""
        headers = {"Authorization": f"Bearer {name}-token"} if name else {}
        return aiohttp.ClientSession(self.url, headers=headers, connector=aiohttp.TCPConnector(ssl=False))


@asynccontextmanager
async def serve_site(
    site: Site,
    *,
    port: int = 0,
    settings: Settings | None = None,
    open_broker: OpenBroker = run_local_broker,
    supervisor: Supervisor | None = None,
    metrics: Metrics | None = None,
    ready: bool = True,
) -> AsyncIterator[WebServer]:
    """Serve a site's application until the context ends, as ``spawnpenny serve`` does.

    Args:
        site: Whose plugins and cluster it has.
        port: Where it listens; 0 for any free one.
        settings: Those of this replica, in place of the site's.
        open_broker: The way to the broker.
        supervisor: What looks after its tasks.
        metrics: What it counts with.
        ready: Whether it is ready when the context begins.

    """
    settings, cluster = settings or site.settings, site.cluster
    certificate, supervisor = certificate_of(settings.web), supervisor or Supervisor()
    plugins = load_plugins(settings, extra=site.plugins)
    async with open_broker(cluster, settings, supervisor=supervisor) as broker:
        app = create_app(settings, plugins, cluster, broker, metrics=metrics, supervisor=supervisor)
        async with listening(app, LOOPBACK, port, certificate=certificate, supervisor=supervisor) as taken:
            if ready:
                await app[SERVICE].until_ready()
            yield WebServer(app, f"{'https' if certificate else 'http'}://{LOOPBACK}:{taken}", taken)

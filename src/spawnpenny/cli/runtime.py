"""The runtime of a service: its cluster, its broker and its web server."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spawnpenny.aio.collector import keep_collections_short
from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.app import create_app
from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.local import run_local_broker
from spawnpenny.cli.kubernetes import open_kubernetes
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.kubernetes.errors import AlreadyExistsError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.serving.certificates import certificate_of
from spawnpenny.serving.server import listening
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.metrics.registry import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from spawnpenny.domain.broker import Broker
    from spawnpenny.kubernetes.calls import Meter
    from spawnpenny.kubernetes.interface import Cluster
    from spawnpenny.settings.model import Settings


def state_folder() -> Path:
    """Return the folder for the state of this user's programs (XDG Base Directory Specification)."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".local" / "state"
    return base / "spawnpenny"


@dataclass(frozen=True, slots=True)
class Served:
    """A running service.

    Attributes:
        port: The port on which it listens.
        cluster: Its cluster.
        replaced: Set when another process has taken its place.
        given_up: Set when an essential task keeps failing.

    """

    port: int
    cluster: Cluster
    replaced: asyncio.Event
    given_up: asyncio.Event


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    extra: Mapping[str, object] | None = None,
    move: bool = False,
    supervisor: Supervisor | None = None,
) -> AsyncIterator[Served]:
    """Run the service until the context ends.

    Args:
        settings: The settings.
        extra: Further plugins, by name.
        move: Use a free port if the port of the settings is taken.
        supervisor: The supervisor of all tasks.

    Raises:
        SettingsError, PluginError: The service cannot run with these settings or plugins.

    """
    plugins, certificate = load_plugins(settings, extra=extra), certificate_of(settings.web)
    metrics, supervisor = Metrics(), supervisor or Supervisor()
    async with (
        open_cluster(settings, meter=metrics.calls) as cluster,
        open_broker(cluster, settings, supervisor) as broker,
    ):
        app = create_app(settings, plugins, cluster, broker, metrics=metrics, supervisor=supervisor)
        where = settings.web.host, settings.web.port
        async with listening(app, *where, move=move, certificate=certificate, supervisor=supervisor) as port:
            service = app[SERVICE]
            _ = supervisor.supervise(
                "start-up collections",
                lambda: keep_collections_short(service.until_ready()),
                essential=False,
                finite=True,
            )
            yield Served(port, cluster, service.membership.heartbeat.lost, supervisor.given_up)


def open_broker(cluster: Cluster, settings: Settings, supervisor: Supervisor) -> AbstractAsyncContextManager[Broker]:
    """Open the broker: a client of the separate one, or a broker in this process."""
    if settings.broker.separate and settings.cluster == "kubernetes":
        return run_broker_client(cluster, settings, supervisor=supervisor)
    return run_local_broker(cluster, settings, supervisor=supervisor)


@asynccontextmanager
async def open_cluster(settings: Settings, *, meter: Meter | None = None) -> AsyncIterator[Cluster]:
    """Open the cluster of the settings, and close it when the context ends; ``meter`` counts the calls.

    Raises:
        SettingsError: The cluster cannot be opened.

    """
    if settings.cluster == "embedded":
        folder = Path(settings.embedded.folder) if settings.embedded.folder else state_folder() / "embedded"
        async with EmbeddedCluster(folder, settings.embedded.images) as embedded:
            await _make_namespaces(embedded, settings)
            yield embedded
        return
    async with open_kubernetes(meter=meter) as cluster:
        yield cluster


async def _make_namespaces(cluster: Cluster, settings: Settings) -> None:
    """Create the namespaces that a deployment on Kubernetes gets from its manifests."""
    for name in (settings.namespaces.state, settings.namespaces.provision):
        try:
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        except AlreadyExistsError:
            continue

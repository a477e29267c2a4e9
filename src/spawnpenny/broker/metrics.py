"""Metrics of a broker process."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from spawnpenny.serving.metrics.exposition import Exposition
from spawnpenny.serving.metrics.families import counters, gauge, of_connections, of_informers, of_tasks

if TYPE_CHECKING:
    from spawnpenny.aio.connections import Connections
    from spawnpenny.broker.server import BrokerServer


def broker_metrics(server: BrokerServer, connections: Connections) -> Exposition:
    """Return all metrics of a broker."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Gauge("spawnpenny_build_info", "Always 1.", ("version", "python"), registry=registry)
    build.labels(version("spawnpenny"), platform.python_version()).set(1)
    registry.register(_BrokerCollector(server, connections))
    return Exposition(registry)


class _BrokerCollector(Collector):
    """The state of a broker now, and its counts since the start."""

    def __init__(self, server: BrokerServer, connections: Connections) -> None:
        self._server = server
        self._connections = connections

    def collect(self) -> Iterable[Metric]:
        server = self._server
        yield gauge("spawnpenny_ready", "1 once the state of the cluster is known.", server.ready)
        yield gauge("spawnpenny_broker_leading", "1 while this broker leads.", server.leading)
        yield counters("spawnpenny_broker_answers", "Broker requests that it answered.", "outcome", server.outcomes)
        yield from of_informers(
            dict(zip(("namespaces", "pods", "configmaps", "leases"), server.informers, strict=True))
        )
        yield from of_tasks(server.supervisor)
        yield from of_connections(self._connections)

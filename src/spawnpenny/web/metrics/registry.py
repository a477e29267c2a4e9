"""All metrics of one application, and their text."""

from __future__ import annotations

import platform
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.serving.metrics.exposition import Exposition
from spawnpenny.web.metrics.broker import BrokerMetrics
from spawnpenny.web.metrics.calls import CallMetrics
from spawnpenny.web.metrics.loop import LoopMetrics
from spawnpenny.web.metrics.requests import RequestMetrics
from spawnpenny.web.metrics.service_gauges import Gauges, ServiceGauges
from spawnpenny.web.metrics.spawns import SpawnMetrics

if TYPE_CHECKING:
    from spawnpenny.aio.connections import Connections
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.service import Service
    from spawnpenny.web.middleware.rate_limit import Limits


class Metrics(Exposition):
    """The metrics of one application. The cluster counts in ``calls``, the broker's client in ``broker``."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        registry = self._metrics = CollectorRegistry()
        super().__init__(registry, clock=clock)
        self.calls = CallMetrics(registry)
        self.broker = BrokerMetrics(registry)
        self.requests = RequestMetrics(registry)
        self._spawns = SpawnMetrics(registry)
        self._loop = LoopMetrics(registry)
        ProcessCollector(registry=registry)
        build = Gauge("spawnpenny_build_info", "Always 1.", ("version", "python"), registry=registry)
        build.labels(version("spawnpenny"), platform.python_version()).set(1)

    @asynccontextmanager
    async def observing(self, plugins: Plugins, *, supervisor: Supervisor | None = None) -> AsyncIterator[None]:
        """Count events of spawns, and measure the delay of the event loop, until the context ends."""
        part = (supervisor or Supervisor()).part()
        part.supervise("loop lag", self._loop.run, essential=False)
        try:
            with plugins.observed_by("spawnpenny.metrics", self._spawns):
                yield
        finally:
            await part.close()

    def export_gauges(self, service: Service, limits: Limits, connections: Connections, *more: Gauges) -> None:
        """Export the gauges of a service."""
        self._metrics.register(ServiceGauges(service, limits, connections, *more))

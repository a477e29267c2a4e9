"""All metrics of one application, and their text."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.web.metrics.calls import CallMetrics
from spawnpenny.web.metrics.claims import ClaimMetrics
from spawnpenny.web.metrics.loop import LoopMetrics
from spawnpenny.web.metrics.requests import RequestMetrics
from spawnpenny.web.metrics.spawns import SpawnMetrics
from spawnpenny.web.metrics.standing import Standing

if TYPE_CHECKING:
    from spawnpenny.aio.connections import Connections
    from spawnpenny.plugins import Plugins
    from spawnpenny.service import Service
    from spawnpenny.web.limits import Limits

_KEPT: Final = 1.0
"""Seconds for which a text of the metrics is answered again."""


class Metrics(Collector):
    """What one application counts: ``calls`` goes to the cluster, ``claims`` around the broker."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._text, self._stale_at = b"", -math.inf
        self._registry = CollectorRegistry()
        self.calls = CallMetrics(self._registry)
        self.claims = ClaimMetrics(self._registry)
        self.requests = RequestMetrics(self._registry)
        self._spawns = SpawnMetrics(self._registry)
        self._loop = LoopMetrics(self._registry)
        ProcessCollector(registry=self._registry)
        build = Gauge("spawnpenny_build_info", "Always 1.", ("version", "python"), registry=self._registry)
        build.labels(version("spawnpenny"), platform.python_version()).set(1)

    @asynccontextmanager
    async def observing(self, plugins: Plugins, *, supervisor: Supervisor | None = None) -> AsyncIterator[None]:
        """Count what happens in spawns and how late the event loop is, until the context ends."""
        part = (supervisor or Supervisor()).part()
        part.supervise("loop lag", self._loop.run, essential=False)
        try:
            with plugins.observed_by("spawnpenny.metrics", self._spawns):
                yield
        finally:
            await part.close()

    def stand(self, service: Service, limits: Limits, connections: Connections) -> None:
        """Tell from now on how things stand in a service."""
        self._registry.register(Standing(service, limits, connections))

    def collect(self) -> Iterable[Metric]:
        """Return all metrics, without the time at which each was made: those would double their number."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, not older than a second: anybody may ask."""
        now = self._clock()
        if now >= self._stale_at:
            self._text, self._stale_at = generate_latest(self), now + _KEPT
        return self._text

"""Metrics of the event loop's delay: work that does not yield delays everything else in the process."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

_EVERY: Final = 0.5
_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class LoopMetrics:
    """Measures by how much a timer is late."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "spawnpenny_event_loop_lag_seconds",
            "By how much the event loop was late, measured twice a second.",
            buckets=_BUCKETS,
            registry=registry,
        )

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + _EVERY
            await asyncio.sleep(_EVERY)
            self._lag.observe(max(0.0, time.monotonic() - due))

"""Metrics of the delay of the event loop: work that does not yield delays every other task."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

_INTERVAL: Final = 0.5
_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class LoopMetrics:
    """Measures the delay of a timer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "spawnpenny_event_loop_lag_seconds",
            "Delay of the event loop, measured twice a second.",
            buckets=_BUCKETS,
            registry=registry,
        )

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + _INTERVAL
            await asyncio.sleep(_INTERVAL)
            self._lag.observe(max(0.0, time.monotonic() - due))

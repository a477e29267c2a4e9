"""The text of metrics, as Prometheus reads it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_KEPT: Final = 1.0
"""Seconds for which a text of the metrics is answered again."""


class Exposition(Collector):
    """All metrics of a registry, without the time at which each was made: those would double their number."""

    def __init__(self, registry: Collector, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._text, self._stale_at = b"", -math.inf

    def collect(self) -> Iterable[Metric]:
        taken = set[str]()
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            exposed = f"{metric.name}_total" if metric.type == "counter" else metric.name
            names = {exposed, *(sample.name for sample in metric.samples)}
            if names.isdisjoint(taken):  # a gauge of a plugin may have the name of another metric
                taken |= names
                yield metric

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, not older than a second: anybody may ask."""
        now = self._clock()
        if now >= self._stale_at:
            self._text, self._stale_at = generate_latest(self), now + _KEPT
        return self._text

"""Metrics of HTTP requests."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"})
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class RequestMetrics:
    """Counts requests by the names of their routes, as paths contain usernames."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "spawnpenny_http_requests",
            "Finished requests.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "spawnpenny_http_request_seconds",
            "Duration of a request; without event streams.",
            ("route", "method"),
            buckets=_BUCKETS,
            registry=registry,
        )

    def count(
        self, route: str | None, method: str, status: int | None, seconds: float, *, streamed: bool = False
    ) -> None:
        """Count a request; ``status`` is None if no answer was sent, ``streamed`` is True for a stream of events."""
        route, method = route or "none", method if method in _METHODS else "other"
        self._requests.labels(route, method, "none" if status is None else str(status)).inc()
        if not streamed:
            self._seconds.labels(route, method).observe(seconds)

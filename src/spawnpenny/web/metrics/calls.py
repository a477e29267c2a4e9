"""Metrics of the calls to the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram

if TYPE_CHECKING:
    from spawnpenny.kubernetes.calls import Call

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class CallMetrics:
    """Metrics of calls to the cluster, as a ``kubernetes.calls.Meter``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "spawnpenny_cluster_calls",
            "Finished calls to the Kubernetes API; a watch counts when it is open.",
            ("verb", "resource", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "spawnpenny_cluster_call_seconds",
            "Duration of a call, with all its retries.",
            ("verb", "resource"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._retries = Counter(
            "spawnpenny_cluster_retries",
            "Retries of calls.",
            ("verb", "resource"),
            registry=registry,
        )

    def called(self, call: Call, *, outcome: str, seconds: float, retries: int) -> None:
        resource = f"{call.resource.plural}/{call.subresource}" if call.subresource else call.resource.plural
        self._calls.labels(call.verb, resource, outcome).inc()
        self._seconds.labels(call.verb, resource).observe(seconds)
        if retries:
            self._retries.labels(call.verb, resource).inc(retries)

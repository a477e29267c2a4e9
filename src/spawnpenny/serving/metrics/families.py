"""Metrics of several processes: tasks, informers, connections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from spawnpenny.aio.connections import Connections
    from spawnpenny.aio.supervisor import Supervisor
    from spawnpenny.kubernetes.object_cache import Watched


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def counters(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for key, count in counts.items():
        family.add_metric((key,), count)
    return family


def of_tasks(supervisor: Supervisor) -> Iterable[Metric]:
    """Yield the states of the long-lived tasks, and the items that they skipped."""
    yield gauges("spawnpenny_task_running", "1 while a task of the process runs.", "task", supervisor.standing())
    yield counters(
        "spawnpenny_task_failures", "How often a task failed and was restarted.", "task", supervisor.failures
    )
    faults = supervisor.faults
    yield counters("spawnpenny_items_skipped", "Items that could not be handled, by kind.", "kind", faults.counts)
    present = {**dict.fromkeys(faults.counts, 0), **faults.present()}
    yield gauges("spawnpenny_items_unreadable", "Items that cannot be handled at present.", "kind", present)


def of_informers(watched: Mapping[str, Watched]) -> Iterable[Metric]:
    """Yield how complete and how fresh the informers are."""
    synced = {resource: informer.synced.is_set() for resource, informer in watched.items()}
    yield gauges("spawnpenny_informer_synced", "1 once all objects of a resource are known.", "resource", synced)
    staleness = {resource: informer.staleness() for resource, informer in watched.items()}
    yield gauges(
        "spawnpenny_informer_staleness_seconds", "Since the last word from the cluster.", "resource", staleness
    )


def of_connections(connections: Connections) -> Iterable[Metric]:
    """Yield how many connections are open, and how many were refused or cut."""
    yield gauge("spawnpenny_connections_open", "Connections of callers that are open.", len(connections))
    yield counters("spawnpenny_connections_cut", "Connections that were refused or cut.", "reason", connections.closed)

"""Gauges of the spawns that this replica looks after, by kind and phase, and of their workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric

from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import USER, Phase
from spawnpenny.spawns.workers import count_workers, desired_workers, pods_by_spawn

if TYPE_CHECKING:
    from spawnpenny.service import Service
    from spawnpenny.spawns.spawn_record import SpawnRecord


def kind_gauges(service: Service) -> Iterable[Metric]:
    """Yield the gauges: spawns by kind and phase, workers by kind and phase, and the desired workers by kind."""
    kinds = service.plugins.kinds
    scaling = {kind.name for kind in kinds.of_plugins if kind.scales}
    spawns = Counter({(kind.name, phase.value): 0 for kind in kinds.of_plugins for phase in Phase})
    workers = Counter({(kind, phase): 0 for kind in scaling for phase in ("running", "pending")})
    desired = Counter(dict.fromkeys(scaling, 0))
    for username, records in _records(service):
        spawns.update((record.key.kind, record.phase.value) for record in records)
        scaled = [record for record in records if record.key.kind in scaling]
        if not scaled:
            continue
        names = Names.of(username, USER, "", prefix=service.settings.namespaces.prefix)
        pods = pods_by_spawn(service.service_context.pods.within(names.namespace))
        for record in scaled:
            counts, kind = count_workers(pods[record.id]), record.key.kind
            desired[kind] += desired_workers(record)
            workers[kind, "running"] += counts.running
            workers[kind, "pending"] += counts.pending
    yield _family(
        "spawnpenny_recorded_spawns", "Recorded spawns, by kind and phase.", ("kind", "phase"), spawns.items()
    )
    yield _family("spawnpenny_workers", "Workers, by kind and phase.", ("kind", "phase"), workers.items())
    by_kind = [((kind,), count) for kind, count in desired.items()]
    yield _family("spawnpenny_workers_desired", "Workers that spawns are to have, by kind.", ("kind",), by_kind)


def _family(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], int]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _records(service: Service) -> Iterator[tuple[str, list[SpawnRecord]]]:
    for user_state in service.spawns.user_states():
        records = [run.record for key, run in user_state.runs.items() if key.kind != USER]
        if records:
            yield user_state.username, records

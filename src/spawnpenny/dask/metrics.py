"""Gauges of the Dask clusters that this replica looks after, and of their workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from spawnpenny.dask.kind import DASK
from spawnpenny.dask.workers import Workers, desired_workers, workers_of
from spawnpenny.domain.spawns import Phase
from spawnpenny.serving.metrics.families import gauge, gauges

if TYPE_CHECKING:
    from spawnpenny.service import Service
    from spawnpenny.spawns.spawn_record import SpawnRecord


def cluster_gauges(service: Service) -> Iterable[Metric]:
    """Yield the gauges: clusters by phase, their workers by phase, and the desired workers."""
    phases: Counter[Phase] = Counter()
    workers = Workers()
    desired = idle = 0
    groups = service.plugins.worker_groups()
    for username, records in _clusters(service):
        counts = workers_of(service, username)
        for record in records:
            phases[record.phase] += 1
            desired += sum(desired_workers(record, groups).values())
            idle += record.phase is Phase.RUNNING and record.idle_since is not None
            workers.running += counts[record.id].running
            workers.pending += counts[record.id].pending
    by_phase = {phase.value: phases[phase] for phase in Phase}
    yield gauges("spawnpenny_dask_clusters", "Dask clusters, by phase.", "phase", by_phase)
    yield gauge("spawnpenny_dask_clusters_idle", "Dask clusters that run and have no work.", idle)
    yield gauges(
        "spawnpenny_dask_workers",
        "Workers of Dask clusters that run, or are pending.",
        "phase",
        {Phase.RUNNING.value: workers.running, Phase.PENDING.value: workers.pending},
    )
    yield gauge("spawnpenny_dask_workers_desired", "Workers that the Dask clusters are to have.", desired)


def _clusters(service: Service) -> Iterable[tuple[str, list[SpawnRecord]]]:
    for user_state in service.spawns.user_states():
        records = [run.record for key, run in user_state.runs.items() if key.kind == DASK]
        if records:
            yield user_state.username, records

"""Gauges of Dask clusters and of their workers, of the users that this replica looks after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from spawnpenny.api import Phase
from spawnpenny.api.http import PluginGauge, SpawnsHere
from spawnpenny_dask.rest.worker_counts import Workers, desired_workers, workers_of

if TYPE_CHECKING:
    from spawnpenny.api import WorkerGroup


def cluster_gauges(spawns: SpawnsHere, groups: Iterable[WorkerGroup]) -> Iterator[PluginGauge]:
    """Yield the gauges: clusters by phase, their workers by phase, and the desired workers."""
    phases: Counter[Phase] = Counter()
    workers, groups = Workers(), tuple(groups)
    desired = idle = 0
    for username, clusters in spawns.of_users():
        pods = spawns.pods(username)
        for cluster in clusters:
            phases[cluster.phase] += 1
            desired += sum(desired_workers(cluster, groups).values())
            idle += cluster.phase is Phase.RUNNING and cluster.idle_since is not None
            counts = workers_of(pods.get(cluster.id, ()))
            workers.running += counts.running
            workers.pending += counts.pending
    by_phase = {phase.value: phases[phase] for phase in Phase}
    yield PluginGauge("spawnpenny_dask_clusters", "Dask clusters, by phase.", by_phase, "phase")
    yield PluginGauge("spawnpenny_dask_clusters_idle", "Dask clusters that run and have no work.", idle)
    yield PluginGauge(
        "spawnpenny_dask_workers",
        "Workers of Dask clusters that run, or are pending.",
        {Phase.RUNNING.value: workers.running, Phase.PENDING.value: workers.pending},
        "phase",
    )
    yield PluginGauge("spawnpenny_dask_workers_desired", "Workers that the Dask clusters are to have.", desired)

"""Counts of the workers of Dask clusters, from the cached pods, without a call to Kubernetes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spawnpenny.api import DEFAULT_GROUP, PART, WORKER, WORKER_GROUP, WorkerGroup, pod_is_ready, pod_trouble
from spawnpenny.api.http import group_names, pod_is_deleted, pod_is_over

if TYPE_CHECKING:
    from spawnpenny.api import Manifest
    from spawnpenny.api.http import SpawnState


@dataclass(slots=True)
class Workers:
    """The numbers of running and pending workers of a cluster; ``groups`` has them by worker group."""

    running: int = 0
    pending: int = 0
    groups: dict[str, Workers] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        return {"running": self.running, "pending": self.pending}

    def add(self, *, running: bool) -> None:
        if running:
            self.running += 1
        else:
            self.pending += 1


def workers_of(pods: Iterable[Manifest]) -> Workers:
    """Return the counts of the workers among the pods of a cluster."""
    found = Workers()
    for pod in worker_pods(pods):
        if pod_is_over(pod) or pod_is_deleted(pod):
            continue
        group = pod["metadata"]["labels"].get(WORKER_GROUP, DEFAULT_GROUP)
        for workers in (found, found.groups.setdefault(group, Workers())):
            workers.add(running=pod_is_ready(pod))
    return found


def waiting_of(pods: Iterable[Manifest]) -> dict[str, Any] | None:
    """Return the most frequent trouble of the pods of a cluster; None without one."""
    troubles: Counter[tuple[str, str]] = Counter()
    for pod in pods:
        if pod_is_ready(pod) or pod_is_over(pod) or pod_is_deleted(pod):
            continue
        if (trouble := pod_trouble(pod, quote=None)) is not None:
            troubles[trouble.code, trouble.error.message] += 1
    if not troubles:
        return None
    (code, message), _ = troubles.most_common(1)[0]
    return {"code": code, "message": message}


def desired_workers(spawn: SpawnState, groups: Iterable[WorkerGroup]) -> Mapping[str, int]:
    """Return the desired workers of a cluster by offered group; nothing if it ends, or has ended."""
    return {} if spawn.ending else {name: spawn.scale.of(name) for name in group_names(groups)}


def worker_pods(pods: Iterable[Manifest]) -> list[Manifest]:
    """Return the workers among the pods of a cluster."""
    return [pod for pod in pods if pod["metadata"]["labels"].get(PART) == WORKER]

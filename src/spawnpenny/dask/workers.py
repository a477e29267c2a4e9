"""The workers of Dask clusters, counted in the cache of pods, without a call to Kubernetes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spawnpenny.dask.kind import DASK
from spawnpenny.domain import labels
from spawnpenny.domain.contract import WORKER
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import DEFAULT_GROUP, Desired, Phase
from spawnpenny.domain.worker_groups import WorkerGroup, group_names
from spawnpenny.kubernetes.pods import status as pod_status

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.service import Service
    from spawnpenny.spawns.spawn_record import SpawnRecord


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


def workers_of(service: Service, username: str) -> Mapping[str, Workers]:
    """Return the workers of a user's Dask clusters by spawn id; zeros for an unknown id."""
    found: defaultdict[str, Workers] = defaultdict(Workers)
    for spawn, pod in worker_pods(service, username):
        if pod_status.is_over(pod) or pod_status.is_deleted(pod):
            continue
        group = pod["metadata"]["labels"].get(labels.WORKER_GROUP, DEFAULT_GROUP)
        for workers in (found[spawn], found[spawn].groups.setdefault(group, Workers())):
            workers.add(running=pod_status.is_ready(pod))
    return found


def waiting_of(service: Service, username: str) -> Mapping[str, dict[str, Any]]:
    """Return the most frequent trouble of the pods of a user's clusters, by spawn id."""
    found: dict[str, Counter[tuple[str, str]]] = {}
    for spawn, pod in spawn_pods(service, username):
        if pod_status.is_ready(pod) or pod_status.is_over(pod) or pod_status.is_deleted(pod):
            continue
        if (trouble := pod_status.trouble(pod, quote=None)) is not None:
            found.setdefault(spawn, Counter())[trouble.code, trouble.error.message] += 1
    most = {spawn: troubles.most_common(1)[0][0] for spawn, troubles in found.items()}
    return {spawn: {"code": code, "message": message} for spawn, (code, message) in most.items()}


def desired_workers(record: SpawnRecord, groups: Iterable[WorkerGroup]) -> Mapping[str, int]:
    """Return the desired workers of a cluster by offered group; nothing if it ends, or has ended."""
    ends = record.desired is Desired.GONE or record.phase is Phase.UNDOING or record.phase.over
    return {} if ends else {name: record.scale.of(name) for name in group_names(groups)}


def worker_pods(service: Service, username: str) -> Iterator[tuple[str, Manifest]]:
    """Yield the spawn ids and pods of all workers of a user."""
    for spawn, pod in spawn_pods(service, username):
        if pod["metadata"]["labels"].get(labels.PART) == WORKER:
            yield spawn, pod


def spawn_pods(service: Service, username: str) -> Iterator[tuple[str, Manifest]]:
    """Yield the spawn ids and pods of all spawns of a user."""
    namespace = Names.of(username, DASK, "", prefix=service.settings.namespaces.prefix).namespace
    for pod in service.service_context.pods.within(namespace):
        spawn = pod["metadata"].get("labels", {}).get(labels.SPAWN)
        if spawn is not None:
            yield spawn, pod

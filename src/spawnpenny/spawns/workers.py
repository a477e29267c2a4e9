"""The workers of spawns, counted in the cache of pods, without a call to Kubernetes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from spawnpenny.domain import labels
from spawnpenny.domain.contract import WORKER
from spawnpenny.domain.spawns import DEFAULT_GROUP, Desired, Phase
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.spawns.spawn_record import SpawnRecord


@dataclass(slots=True)
class WorkerCounts:
    """The numbers of running and pending workers of a spawn; ``groups`` has them by worker group."""

    running: int = 0
    pending: int = 0
    groups: dict[str, WorkerCounts] = field(default_factory=dict)

    def to_json(self) -> dict[str, int]:
        return {"running": self.running, "pending": self.pending}

    def add(self, *, running: bool) -> None:
        if running:
            self.running += 1
        else:
            self.pending += 1


def pods_by_spawn(pods: Iterable[Manifest]) -> Mapping[str, list[Manifest]]:
    """Return pods by the id of their spawn; an empty list for an unknown id."""
    found: defaultdict[str, list[Manifest]] = defaultdict(list)
    for pod in pods:
        if (spawn := pod["metadata"].get("labels", {}).get(labels.SPAWN)) is not None:
            found[spawn].append(pod)
    return found


def count_workers(pods: Iterable[Manifest]) -> WorkerCounts:
    """Return the number of workers among the pods of a spawn."""
    counts = WorkerCounts()
    for pod in _living(pods):
        found = pod["metadata"].get("labels", {})
        if found.get(labels.PART) != WORKER:
            continue
        group = found.get(labels.WORKER_GROUP, DEFAULT_GROUP)
        for workers in (counts, counts.groups.setdefault(group, WorkerCounts())):
            workers.add(running=pod_status.is_ready(pod))
    return counts


def desired_workers(record: SpawnRecord) -> int:
    """Return how many workers a spawn is to have; none if it ends, or has ended."""
    ends = record.desired is Desired.GONE or record.phase is Phase.UNDOING or record.phase.over
    return 0 if ends else record.scale.total


def most_frequent_trouble(pods: Iterable[Manifest]) -> tuple[str, str] | None:
    """Return the code and the message of the most frequent trouble of the pods of a spawn."""
    troubles: Counter[tuple[str, str]] = Counter()
    for pod in _living(pods):
        if not pod_status.is_ready(pod) and (trouble := pod_status.trouble(pod, quote=None)) is not None:
            troubles[trouble.code, trouble.error.message] += 1
    return troubles.most_common(1)[0][0] if troubles else None


def _living(pods: Iterable[Manifest]) -> Iterator[Manifest]:
    for pod in pods:
        if not (pod_status.is_over(pod) or pod_status.is_deleted(pod)):
            yield pod

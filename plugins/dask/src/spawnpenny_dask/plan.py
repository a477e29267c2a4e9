"""Plan the workers of a cluster: a pure function of the existing pods and the desired number."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from spawnpenny.api import DEFAULT_GROUP, WORKER_GROUP, Manifest, pod_is_lost

Registered = Mapping[str, str]
"""The workers that the scheduler knows, by name, with their status."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of workers to start, the pods to delete, and the number of workers for the scheduler to retire."""

    start: int = 0
    remove: tuple[Manifest, ...] = ()
    retire: int = 0

    @property
    def settled(self) -> bool:
        return self == Plan()


def plan(wanted: int, pods: Sequence[Manifest], registered: Registered | None, lost: Collection[str] = ()) -> Plan:
    """Return what brings the workers of these pods to a number; those of ``lost`` are over, though their pods are not.

    Surplus pods that never were a worker of the scheduler's go first, the newest before older ones; the scheduler says
    which of the others it can spare. ``registered`` is None where the scheduler does not answer: then nothing goes that
    may be at work.
    """
    here = [pod for pod in pods if not is_leaving(pod)]
    over = tuple(pod for pod in here if is_over(pod) or name_of(pod) in lost)
    staying = [pod for pod in here if pod not in over and not _retires(pod, registered)]
    surplus = len(staying) - wanted
    if surplus <= 0:
        return Plan(start=-surplus, remove=over)
    idle = sorted((pod for pod in staying if _never_worked(pod, registered)), key=_age, reverse=True)[:surplus]
    return Plan(remove=(*over, *idle), retire=surplus - len(idle) if registered is not None else 0)


def name_of(pod: Manifest) -> str:
    name: str = pod["metadata"]["name"]
    return name


def group_of(pod: Manifest) -> str:
    group: str = pod["metadata"].get("labels", {}).get(WORKER_GROUP, DEFAULT_GROUP)
    return group


def age_of(pod: Manifest) -> float:
    """Return for how many seconds there has been a pod."""
    created = pod["metadata"].get("creationTimestamp")
    return time.time() - datetime.fromisoformat(created).timestamp() if created else 0.0


def is_leaving(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def is_over(pod: Manifest) -> bool:
    """Say whether a worker will not be at work again: another one takes its place."""
    return pod_is_lost(pod)


def _retires(pod: Manifest, registered: Registered | None) -> bool:
    """Return whether the scheduler retires it: its data moves, then it ends by itself."""
    return (registered or {}).get(name_of(pod), "").startswith("clos")


def _never_worked(pod: Manifest, registered: Registered | None) -> bool:
    if registered is None:
        return _phase(pod) == "Pending"
    return name_of(pod) not in registered


def _age(pod: Manifest) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp", ""), name_of(pod)


def _phase(pod: Manifest) -> str:
    phase: str = pod.get("status", {}).get("phase", "Pending")
    return phase

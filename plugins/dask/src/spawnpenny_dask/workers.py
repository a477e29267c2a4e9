"""Plan the workers of a cluster: how many to start, and which ones to remove or retire."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from spawnpenny.api import Manifest, pod_is_leaving, pod_is_lost, pod_name

Registered = Mapping[str, str]
"""The status of the workers that the scheduler knows, by name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of workers to start, the pods to delete, and the number of workers for the scheduler to retire."""

    start: int = 0
    remove: tuple[Manifest, ...] = ()
    retire: int = 0

    @property
    def settled(self) -> bool:
        return self == Plan()


def plan(desired: int, pods: Sequence[Manifest], registered: Registered | None, lost: Collection[str] = ()) -> Plan:
    """Return the actions that bring the workers to a desired number.

    Of surplus pods, those that never joined the scheduler go first, the newest before older ones. The scheduler chooses
    among the others. Pods of ``lost`` workers are replaced, although they have not ended. ``registered`` is None if the
    scheduler does not answer: then no pod is removed that may have work.
    """
    here = [pod for pod in pods if not pod_is_leaving(pod)]
    over = tuple(pod for pod in here if pod_is_lost(pod) or pod_name(pod) in lost)
    staying = [pod for pod in here if pod not in over and not _retires(pod, registered)]
    surplus = len(staying) - desired
    if surplus <= 0:
        return Plan(start=-surplus, remove=over)
    idle = sorted((pod for pod in staying if _never_worked(pod, registered)), key=_age, reverse=True)[:surplus]
    return Plan(remove=(*over, *idle), retire=surplus - len(idle) if registered is not None else 0)


def _retires(pod: Manifest, registered: Registered | None) -> bool:
    """Return whether the scheduler is retiring a worker, which then ends by itself."""
    return (registered or {}).get(pod_name(pod), "").startswith("clos")


def _never_worked(pod: Manifest, registered: Registered | None) -> bool:
    if registered is None:
        return _phase(pod) == "Pending"
    return pod_name(pod) not in registered


def _age(pod: Manifest) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp", ""), pod_name(pod)


def _phase(pod: Manifest) -> str:
    phase: str = pod.get("status", {}).get("phase", "Pending")
    return phase

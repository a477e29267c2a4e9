"""Plan the workers of a cluster: how many to start, and which ones to remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spawnpenny.api import Manifest, pod_is_leaving, pod_is_lost, pod_name
from spawnpenny_ray.head_client import State


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of workers to start, and the pods to delete."""

    start: int = 0
    remove: tuple[Manifest, ...] = ()


def plan(desired: int, pods: Sequence[Manifest], state: State | None) -> Plan:
    """Return the actions that bring the workers to a desired number.

    Of surplus pods, those go first that have not joined the head, then those without work, then those without data, and
    the newest before older ones. If the head does not answer (``state`` is None), no pod is removed that may have work.
    """
    here = [pod for pod in pods if not pod_is_leaving(pod)]
    over = tuple(pod for pod in here if pod_is_lost(pod))
    staying = [pod for pod in here if pod not in over]
    surplus = len(staying) - desired
    if surplus <= 0:
        return Plan(start=-surplus, remove=over)
    if state is None:
        staying = [pod for pod in staying if not _address(pod)]
    newest = sorted(
        staying, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod_name(pod)), reverse=True
    )
    return Plan(remove=(*over, *sorted(newest, key=lambda pod: _worth(pod, state))[:surplus]))


def has_joined(pod: Manifest, state: State) -> bool:
    """Return whether the head has the worker of a pod as a node."""
    return _address(pod) in state.nodes


def _worth(pod: Manifest, state: State | None) -> int:
    node = state.nodes.get(_address(pod)) if state is not None else None
    if state is None or node is None:
        return 0
    return 1 + (node in state.keeping) + 2 * (node in state.busy)


def _address(pod: Manifest) -> str:
    address: str = pod.get("status", {}).get("podIP") or ""
    return address

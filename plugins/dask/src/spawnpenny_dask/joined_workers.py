"""Workers that have joined their scheduler, and workers that will not come back to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from spawnpenny.api import (
    Manifest,
    SpawnError,
    pod_age,
    pod_ending,
    pod_is_leaving,
    pod_is_lost,
    pod_name,
    pod_trouble,
)
from spawnpenny_dask.scheduler_client import State

_RETURN: Final = 120.0
"""Seconds in which a worker that has left its scheduler may come back, as its nanny restarts it."""
_UNREACHED: Final = 30.0
"""The same, for a worker whose machine does not report either."""
_START: Final = 300.0
"""Seconds after which a worker that could not start is tried on another machine."""
_BY_ORDER: Final = frozenset(
    {"program_ended", "pod_gone", "pod_evicted", "pod_preempted", "node_lost", "node_shutdown", "pod_expired"}
)
"""Ends that are no failure of the worker: a person or Kubernetes ordered them."""


class JoinedWorkers:
    """The workers of one cluster that have joined its scheduler at least once."""

    def __init__(self) -> None:
        self._joined: set[str] = set()

    def note(self, state: State | None, pods: Sequence[Manifest]) -> None:
        """Note the workers that have joined."""
        if state is not None:
            self._joined |= {*state.workers, *state.left}
        self._joined &= {pod_name(pod) for pod in pods}

    def ended_well(self, pod: Manifest) -> bool:
        """Return whether the end of a worker is no failure that its replacement would repeat.

        A worker that ends well before it has joined the scheduler would be replaced without end.
        """
        return pod_name(pod) in self._joined and pod_ending(pod, quote=None).code in _BY_ORDER

    def lost(self, pods: Sequence[Manifest], state: State | None) -> dict[str, SpawnError]:
        """Return why workers will not work again although their pods have not ended, by name."""
        staying = [pod for pod in pods if not pod_is_leaving(pod) and not pod_is_lost(pod)]
        return {pod_name(pod): why for pod in staying for why in self._why(pod, state)}

    def _why(self, pod: Manifest, state: State | None) -> Iterator[SpawnError]:
        name, trouble = pod_name(pod), pod_trouble(pod, quote=None)
        if state is not None and name in state.workers:
            return
        away = state.left.get(name, 0.0) if state is not None else 0.0
        if trouble is None:
            if away >= _RETURN:
                yield SpawnError("It does not come back to the scheduler.")
        elif not trouble.placing:
            unreached = trouble.code == "node_lost" and away >= _UNREACHED
            unstarted = name not in self._joined and pod_age(pod) >= _START
            if trouble.hopeless or unreached or unstarted:
                yield trouble.error

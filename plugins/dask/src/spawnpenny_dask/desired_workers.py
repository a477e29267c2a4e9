"""The number of workers that a cluster is to have now."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from spawnpenny.api import DEFAULT_GROUP, Manifest, Scale, Severity, Spawn
from spawnpenny_dask.adaptive import Adaptive
from spawnpenny_dask.plan import group_of, is_leaving, is_over
from spawnpenny_dask.scheduler_client import State


class Wishes:
    """Combines the user's scale with the scheduler's own request in an adaptive cluster.

    ``forgotten`` says that the cluster's record was lost, and with it what the user asked for: then what is there
    stays, until the user says more.
    """

    def __init__(
        self,
        spawn: Spawn,
        *,
        most: int,
        groups: Collection[str] = (DEFAULT_GROUP,),
        forgotten: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spawn = spawn
        self._groups = groups
        self._most = most
        self._forgotten = forgotten
        self._clock = clock
        self._adaptive = Adaptive()
        self._told = False

    def wanted(self, state: State | None, pods: Sequence[Manifest]) -> Counter[str]:
        """Return how many workers of each group there are to be: none of a group that is offered no more."""
        scale = self._spawn.scale
        if self._forgotten and scale == Scale():
            return Counter(group_of(pod) for pod in pods if not is_over(pod) and not is_leaving(pod))
        if not scale.adaptive:
            self._adaptive.forget()
        elif state is not None:
            self._adapt(scale, state)
        return Counter({group: self._spawn.scale.of(group) for group in self._groups})

    def _adapt(self, scale: Scale, state: State) -> None:
        """Set the default group to the scheduler's request, less the workers of the other groups."""
        others = sum(scale.of(group) for group in self._groups if group != DEFAULT_GROUP)
        target = max(0, min(state.target, self._most) - others)
        count = scale.held(self._adaptive.wanted(self._clock(), target, scale.count)).count
        if count != scale.count:
            self._notify(count, self._spawn.resize(count))

    def _notify(self, count: int, got: int) -> None:
        if got < count and not self._told:
            message = f"The cluster could use {count} workers; the quota has room for {got}."
            self._spawn.notify(message, Severity.WARNING, code="quota_exceeded")
        self._told = got < count

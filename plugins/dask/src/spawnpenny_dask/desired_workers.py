"""Desired workers: how many a cluster is to have now, and which of its workers are retiring."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from spawnpenny.api import (
    DEFAULT_GROUP,
    Manifest,
    Scale,
    Severity,
    Spawn,
    pod_is_leaving,
    pod_is_lost,
    worker_group,
)
from spawnpenny_dask.scheduler_client import State

CALM: Final = 4.0
"""Seconds for which fewer workers have to be enough before some retire."""
_PATIENCE: Final = 30.0
"""Seconds after which a retiring worker that still runs counts as any other."""


class DesiredWorkers:
    """The desired workers: the user's scale, or in an adaptive cluster the scheduler's own request.

    ``forgotten`` is true if the cluster's record was lost, and the user's scale with it. Then the existing workers stay
    until the user scales again.
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
        self._notified = False

    def counts(self, state: State | None, pods: Sequence[Manifest]) -> Counter[str]:
        """Return the desired number of workers by group: none of a group that the site no longer offers."""
        scale = self._spawn.scale
        if self._forgotten and scale == Scale():
            return Counter(worker_group(pod) for pod in pods if not pod_is_lost(pod) and not pod_is_leaving(pod))
        if not scale.adaptive:
            self._adaptive.forget()
        elif state is not None:
            self._adapt(scale, state)
        return Counter({group: self._spawn.scale.of(group) for group in self._groups})

    def _adapt(self, scale: Scale, state: State) -> None:
        """Set the default group to the scheduler's request, minus the workers of the other groups."""
        others = sum(scale.of(group) for group in self._groups if group != DEFAULT_GROUP)
        target = max(0, min(state.target, self._most) - others)
        count = scale.held(self._adaptive.desired(self._clock(), target, scale.count)).count
        if count != scale.count:
            self._notify(count, self._spawn.resize(count))

    def _notify(self, count: int, got: int) -> None:
        if got < count and not self._notified:
            message = f"The cluster could use {count} workers; the quota has room for {got}."
            self._spawn.notify(message, Severity.WARNING, code="quota_exceeded")
        self._notified = got < count


class Adaptive:
    """Adaptive scaling: follow the scheduler's requests up at once, and down after a while."""

    def __init__(self) -> None:
        self._targets: deque[tuple[float, int]] = deque()
        self._since: float | None = None

    def desired(self, now: float, target: int, count: int) -> int:
        """Return the desired number of workers, which is ``count`` so far. ``now`` is in seconds."""
        if self._since is None:
            self._since = now
        self._targets.append((now, target))
        while self._targets[0][0] < now - CALM:
            self._targets.popleft()
        if target >= count:
            return target
        if now - self._since < CALM:
            return count
        return min(count, max(target for _, target in self._targets))

    def forget(self) -> None:
        """Forget earlier requests, as the cluster is not adaptive."""
        self._targets.clear()
        self._since = None


class RetiringWorkers:
    """The workers that the scheduler is retiring. Such a worker ends by itself, and its end is no failure."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._at

    def add(self, names: Iterable[str]) -> None:
        self._at.update(dict.fromkeys(names, self._clock()))

    def seen_in(self, workers: Mapping[str, str]) -> dict[str, str]:
        """Return the status of the workers that a scheduler reports, and of those that it no longer reports."""
        self.add(name for name, status in workers.items() if status.startswith("clos"))
        oldest = self._clock() - _PATIENCE
        for name, at in list(self._at.items()):
            stays = not workers.get(name, "closed").startswith("clos")  # no other worker could take its data
            if stays or (at < oldest and name not in workers):
                del self._at[name]
        return {**dict.fromkeys(self._at, "closed"), **workers}

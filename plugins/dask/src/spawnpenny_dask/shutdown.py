"""Shutdown policy: the limits after which a cluster ends by itself."""

from __future__ import annotations

from dataclasses import dataclass

from spawnpenny.api import SpawnError
from spawnpenny_dask.errors import ClusterAloneError, ClusterIdleError, ClusterLabGoneError, ClusterLifetimeError
from spawnpenny_dask.scheduler_client import State


@dataclass(frozen=True, slots=True)
class Limits:
    """After how many seconds a cluster ends that has nothing to do, that no client has, or that runs; 0 is never."""

    idle: float = 0
    alone: float = 0
    lifetime: float = 0

    def exceeded(self, state: State | None, age: float) -> SpawnError | None:
        """Return why a cluster of this age is to end; only its age counts if its scheduler does not answer."""
        if self.lifetime and age >= self.lifetime:
            return ClusterLifetimeError(f"The cluster ran for {_told(self.lifetime)}, which is as long as one may.")
        if state is None:
            return None
        if self.idle and state.idle is not None and state.idle >= self.idle:
            return ClusterIdleError(f"The cluster had nothing to do for {_told(self.idle)}.")
        if self.alone and state.alone is not None and state.alone >= self.alone:
            return ClusterAloneError(f"No client was connected to the cluster for {_told(self.alone)}.")
        return None

    def hung(self, silence: float) -> SpawnError | None:
        """Return why a cluster is to end whose scheduler has answered nobody for so many seconds."""
        if self.idle and silence >= self.idle:
            return ClusterIdleError(f"The cluster's scheduler has not answered for {_told(self.idle)}.")
        return None

    def left(self, state: State | None, age: float) -> float:
        """Return for how many seconds none of it can be exceeded."""
        left = [self.lifetime - age] if self.lifetime else []
        if state is not None:
            left += [self.idle - (state.idle or 0)] if self.idle else []
            left += [self.alone - (state.alone or 0)] if self.alone else []
        return max(0.0, min(left, default=float("inf")))


def lab_gone(lab: str) -> SpawnError:
    """Word that the lab of a cluster is gone."""
    return ClusterLabGoneError(f"The lab {lab!r} has ended, and the cluster that it asked for with it.")


def _told(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds:g} seconds"

"""Shutdown policy: the limits after which a cluster ends by itself."""

from __future__ import annotations

from dataclasses import dataclass

from spawnpenny.api import SpawnError
from spawnpenny_dask.errors import ClusterAloneError, ClusterIdleError, ClusterLabGoneError, ClusterLifetimeError
from spawnpenny_dask.scheduler_client import State


@dataclass(frozen=True, slots=True)
class Limits:
    """The seconds without work, without a client, and in all, after which a cluster ends; 0: never."""

    idle: float = 0
    alone: float = 0
    lifetime: float = 0

    def exceeded(self, state: State | None, age: float) -> SpawnError | None:
        """Return why a cluster is to end; None: it is not. Without a state, only its age counts."""
        if self.lifetime and age >= self.lifetime:
            return ClusterLifetimeError(
                f"The cluster ran for {_duration(self.lifetime)}, which is the longest allowed time."
            )
        if state is None:
            return None
        if self.idle and state.idle is not None and state.idle >= self.idle:
            return ClusterIdleError(f"The cluster had nothing to do for {_duration(self.idle)}.")
        if self.alone and state.alone is not None and state.alone >= self.alone:
            return ClusterAloneError(f"No client was connected to the cluster for {_duration(self.alone)}.")
        return None

    def hung(self, silence: float) -> SpawnError | None:
        """Return why a cluster is to end whose scheduler has been silent for so many seconds; None: it is not."""
        if self.idle and silence >= self.idle:
            return ClusterIdleError(f"The cluster's scheduler has not answered for {_duration(self.idle)}.")
        return None

    def left(self, state: State | None, age: float) -> float:
        """Return the seconds until the next limit can be exceeded."""
        left = [self.lifetime - age] if self.lifetime else []
        if state is not None:
            left += [self.idle - (state.idle or 0)] if self.idle else []
            left += [self.alone - (state.alone or 0)] if self.alone else []
        return max(0.0, min(left, default=float("inf")))


def lab_gone(lab: str) -> SpawnError:
    """Return the reason of a cluster whose lab has ended."""
    return ClusterLabGoneError(f"The lab {lab!r} has ended, and its cluster with it.")


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds:g} seconds"

"""Shutdown policy: when a cluster ends by itself, and why."""

from __future__ import annotations

from dataclasses import dataclass

from spawnpenny.api import SpawnError


@dataclass(frozen=True, slots=True)
class Limits:
    """The seconds without work, and in all, after which a cluster ends; 0: never."""

    idle: float = 0
    lifetime: float = 0

    def exceeded(self, idle: float | None, age: float, silence: float = 0) -> SpawnError | None:
        """Return why a cluster is to end; None: it is not. ``silence`` are the seconds without an answer."""
        if self.lifetime and age >= self.lifetime:
            why = f"The Ray cluster ran for {_duration(self.lifetime)}, which is the longest allowed time."
            return SpawnError(why, code="ray_lifetime", advice="Start another one if you need it.")
        if self.idle and idle is not None and idle >= self.idle:
            why = f"The Ray cluster had nothing to do for {_duration(self.idle)}."
            return SpawnError(why, code="ray_idle", advice="Start another one when you need it.")
        if self.idle and silence >= self.idle:
            why = f"The head of the Ray cluster has not answered for {_duration(self.idle)}."
            return SpawnError(why, code="ray_silent", advice="Start another one, with more memory for its head.")
        return None

    def left(self, idle: float | None, age: float) -> float:
        """Return the seconds until the next limit can be exceeded."""
        left = [self.lifetime - age] if self.lifetime else []
        left += [self.idle - (idle or 0)] if self.idle else []
        return max(0.0, min(left, default=float("inf")))


def lab_gone(lab: str) -> SpawnError:
    """Return the reason of a cluster whose lab has ended."""
    return SpawnError(f"The lab {lab!r} has ended, and its Ray cluster with it.", code="ray_lab_gone")


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds:g} seconds"

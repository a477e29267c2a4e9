"""Adaptive scaling: follow the scheduler's request up at once, and down with care."""

from __future__ import annotations

from collections import deque
from typing import Final

CALM: Final = 4.0
"""Seconds for which fewer workers have to do before there are fewer."""


class Adaptive:
    """Remembers what the scheduler would have liked lately."""

    def __init__(self) -> None:
        self._targets: deque[tuple[float, int]] = deque()
        self._since: float | None = None

    def wanted(self, now: float, target: int, count: int) -> int:
        """Return how many workers there are to be, where there are to be ``count`` now. ``now`` is in seconds."""
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
        """Begin anew: the cluster was not adaptive, or its scheduler did not answer."""
        self._targets.clear()
        self._since = None

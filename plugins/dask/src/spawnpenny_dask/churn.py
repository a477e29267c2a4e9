"""Workers that end again and again, soon after they have started."""

from __future__ import annotations

from typing import Final

_RESTARTS: Final = 30
_FORGOTTEN: Final = 10.0
"""Seconds after which one restart of all workers no longer counts, of as many as ``_RESTARTS``."""


class Churn:
    """Workers that end well soon after their start. A client restarts all a few times, a faulty program for ever."""

    def __init__(self) -> None:
        self._ends = 0.0
        self._last = 0.0

    def too_much(self, now: float, share: float = 1.0) -> bool:
        """Note that a share of all workers has ended; return whether that is too often to replace them at once."""
        self._ends = max(0.0, self._ends - (now - self._last) / _FORGOTTEN) + share
        self._last = now
        return self._ends > _RESTARTS

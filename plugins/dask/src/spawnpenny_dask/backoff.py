"""The pauses between attempts to start workers, where some have failed."""

from __future__ import annotations

from typing import Final

_FIRST: Final = 2.0
LONGEST: Final = 60.0
CALM: Final = 60.0
"""After so many seconds without a failure, or twice the last pause, all is as if there had been none."""
_RESTARTS: Final = 30
_FORGOTTEN: Final = 10.0
"""Seconds after which one of these many restarts of all workers does not count any more."""


class Backoff:
    """The pause after one failure is none, so that a worker lost is replaced at once; then it doubles."""

    def __init__(self) -> None:
        self._failures = 0
        self._last = 0.0

    def failed(self, now: float) -> None:
        if self._failures and now - self._last > max(CALM, 2 * self._pause()):
            self._failures = 0
        self._failures += 1
        self._last = now

    def left(self, now: float) -> float:
        """Return for how many seconds nothing is to be started."""
        return max(0.0, self._last + self._pause() - now) if self._failures else 0.0

    def _pause(self) -> float:
        return 0.0 if self._failures < 2 else min(LONGEST, _FIRST * 2 ** min(self._failures - 2, 10))  # noqa: PLR2004


class Churn:
    """Workers that end well soon after they came: a client restarts them a few times, a program of its own for ever."""

    def __init__(self) -> None:
        self._ends = 0.0
        self._last = 0.0

    def too_much(self, now: float, share: float = 1.0) -> bool:
        """Take down that a share of all have ended; return whether that is too often to start others at once."""
        self._ends = max(0.0, self._ends - (now - self._last) / _FORGOTTEN) + share
        self._last = now
        return self._ends > _RESTARTS

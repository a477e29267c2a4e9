"""Pauses before new workers start, after some have failed."""

from __future__ import annotations

from typing import Final

_FIRST: Final = 2.0
LONGEST: Final = 60.0
CALM: Final = 60.0
"""Seconds without a failure, or twice the last pause if that is longer, after which earlier failures do not count."""
_RESTARTS: Final = 30
_FORGOTTEN: Final = 10.0
"""Seconds after which one restart of all workers no longer counts, of as many as ``_RESTARTS``."""


class Backoff:
    """The pauses of one cluster. After a first failure there is none, as for a lost worker; then they double."""

    def __init__(self) -> None:
        self._failures = 0
        self._last = 0.0

    def failed(self, now: float) -> None:
        if self._failures and now - self._last > max(CALM, 2 * self._pause()):
            self._failures = 0
        self._failures += 1
        self._last = now

    def left(self, now: float) -> float:
        """Return the seconds until workers may start again."""
        return max(0.0, self._last + self._pause() - now) if self._failures else 0.0

    def _pause(self) -> float:
        return 0.0 if self._failures < 2 else min(LONGEST, _FIRST * 2 ** min(self._failures - 2, 10))  # noqa: PLR2004


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

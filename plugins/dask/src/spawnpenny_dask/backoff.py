"""The pauses between attempts to start workers, where some have failed."""

from __future__ import annotations

from typing import Final

_FIRST: Final = 2.0
LONGEST: Final = 60.0
CALM: Final = 60.0
"""After so many seconds without a failure, or twice the last pause, all is as if there had been none."""


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

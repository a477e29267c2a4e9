"""Pauses before new workers start, after some have failed."""

from __future__ import annotations

from typing import Final

_FIRST: Final = 2.0
_LONGEST: Final = 60.0
_CALM: Final = 60.0
"""Seconds without a failure, or twice the last pause if that is longer, after which earlier failures do not count."""


class Backoff:
    """The pauses of one spawn. After a first failure there is none, as for a lost worker; then they double."""

    def __init__(self) -> None:
        self._failures = 0
        self._last = 0.0

    def failed(self, now: float) -> None:
        """Note that workers have failed, at a time in seconds."""
        if self._failures and now - self._last > max(_CALM, 2 * self._pause()):
            self._failures = 0
        self._failures += 1
        self._last = now

    def left(self, now: float) -> float:
        """Return the seconds until workers may start again."""
        return max(0.0, self._last + self._pause() - now) if self._failures else 0.0

    def _pause(self) -> float:
        return 0.0 if self._failures < 2 else min(_LONGEST, _FIRST * 2 ** min(self._failures - 2, 10))  # noqa: PLR2004

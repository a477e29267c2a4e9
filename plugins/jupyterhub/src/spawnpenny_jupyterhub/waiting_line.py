"""A bounded queue for look-ups of unknown tokens."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from spawnpenny.api import NotReadyError

AT_ONCE: Final = 8
"""How many unknown tokens are looked up at once: half of the connections to the Hub are left to known ones."""
MOST_WAITING: Final = 400
"""How many wait for that."""
MANY_FAILURES: Final = 20.0
"""So many wrong tokens within a minute or so are no mistake: who sends them may take half of the line."""
_LONGEST: Final = 5.0  # seconds
_MINUTE: Final = 60.0
_ASKERS: Final = 10_000


def refusal() -> NotReadyError:
    return NotReadyError("Many tokens are being looked up at JupyterHub; try again.", retry_after=1)


class WaitingLine:
    """A queue that admits callers by turns; ``failed`` notes those with wrong tokens."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._failures = _Failures(clock)

    @asynccontextmanager
    async def place(self, asker: str | None) -> AsyncIterator[None]:
        """Hold a place as long as the context lasts.

        Raises:
            NotReadyError: Too many wait, or it takes too long.

        """
        await self._enter(asker)
        try:
            yield
        finally:
            self._places.release()

    def failed(self, asker: str | None) -> None:
        """Note that a token of an asker was wrong."""
        self._failures.add(asker)

    async def _enter(self, asker: str | None) -> None:
        most = MOST_WAITING // 2 if self._failures.of(asker) >= MANY_FAILURES else MOST_WAITING
        if self._waiting >= most:
            raise refusal()
        self._waiting += 1
        try:
            async with asyncio.timeout(_LONGEST):
                await self._places.acquire()
        except TimeoutError:
            raise refusal() from None
        finally:
            self._waiting -= 1


class _Failures:
    """A count by asker that falls back to nothing within a minute; of a bounded number of askers."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: OrderedDict[str | None, tuple[float, float]] = OrderedDict()

    def of(self, asker: str | None) -> float:
        count, at = self._counts.get(asker, (0.0, 0.0))
        return count * max(0.0, 1 - (self._clock() - at) / _MINUTE)

    def add(self, asker: str | None) -> None:
        self._counts[asker] = (self.of(asker) + 1, self._clock())
        self._counts.move_to_end(asker)
        while len(self._counts) > _ASKERS:
            self._counts.popitem(last=False)

"""A bounded queue for lookups of unknown tokens."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from spawnpenny.api import NotReadyError

AT_ONCE: Final = 8
"""How many unknown tokens are looked up at a time. Half of the connections to the Hub are left for known ones."""
MOST_WAITING: Final = 400
"""How many lookups wait at most."""
MANY_FAILURES: Final = 20.0
"""A caller with this many wrong tokens within about a minute may take only half of the queue."""
_LONGEST: Final = 5.0  # seconds
_MINUTE: Final = 60.0
_MOST_CALLERS: Final = 10_000


def refusal() -> NotReadyError:
    """Return the error for a lookup that cannot wait."""
    return NotReadyError("Many tokens are being looked up at JupyterHub; try again.", retry_after=1)


class LookupQueue:
    """A queue with a limit for callers who send wrong tokens."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._failures = _Failures(clock)

    @asynccontextmanager
    async def place(self, remote: str | None) -> AsyncIterator[None]:
        """Hold a place for the time of the context.

        Raises:
            NotReadyError: Too many lookups wait, or it takes too long.

        """
        await self._enter(remote)
        try:
            yield
        finally:
            self._places.release()

    def failed(self, remote: str | None) -> None:
        """Count a wrong token of a caller."""
        self._failures.add(remote)

    async def _enter(self, remote: str | None) -> None:
        most = MOST_WAITING // 2 if self._failures.of(remote) >= MANY_FAILURES else MOST_WAITING
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
    """Counts by caller that decay within a minute, for a bounded number of callers."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: OrderedDict[str | None, tuple[float, float]] = OrderedDict()

    def of(self, remote: str | None) -> float:
        count, at = self._counts.get(remote, (0.0, 0.0))
        return count * max(0.0, 1 - (self._clock() - at) / _MINUTE)

    def add(self, remote: str | None) -> None:
        self._counts[remote] = (self.of(remote) + 1, self._clock())
        self._counts.move_to_end(remote)
        while len(self._counts) > _MOST_CALLERS:
            self._counts.popitem(last=False)

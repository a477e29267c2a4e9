"""Short-lived, bounded cache of the Hub's answers by token hash. Concurrent lookups share one call."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from spawnpenny_jupyterhub.lookup_queue import LookupQueue, refusal

T = TypeVar("T")

MOST_LOOKUPS: Final = 64
"""How many tokens that were valid before are looked up at a time."""
_KNOWN_BEFORE: Final = 24 * 3600.0
"""Seconds for which a token that was valid skips the queue. It is still looked up."""
_REFUSALS: Final = 5.0  # seconds


class _BoundedCache(Generic[T]):
    """A bounded number of answers that expire; the least recently used one is dropped first."""

    def __init__(self, size: int, seconds: float, clock: Callable[[], float]) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._answers: OrderedDict[bytes, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, key: bytes) -> tuple[T] | None:
        """Return the answer in a tuple; None without one."""
        found = self._answers.get(key)
        if found is None:
            return None
        requested, answer = found
        if self._clock() >= requested + self._seconds:
            del self._answers[key]
            return None
        self._answers.move_to_end(key)
        return (answer,)

    def put(self, key: bytes, requested: float, answer: T) -> None:
        """Add an answer to a request that was made at a time."""
        self._answers[key] = (requested, answer)
        self._answers.move_to_end(key)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)


class TokenCache(Generic[T]):
    """Answers by the hash of the token, from the time of the request. None, for an invalid token, expires after 5 s.

    Invalid tokens have a cache and a queue of their own: however many are tried, the answers for valid ones stay, and
    a token that was valid before is looked up at once.
    """

    def __init__(self, seconds: float, clock: Callable[[], float], *, size: int = 10_000) -> None:
        self._clock = clock
        self._valid: _BoundedCache[T] = _BoundedCache(size, seconds, clock)
        self._invalid: _BoundedCache[None] = _BoundedCache(size // 10, min(seconds, _REFUSALS), clock)
        self._before: _BoundedCache[None] = _BoundedCache(size, _KNOWN_BEFORE, clock)
        self._queue = LookupQueue(clock)
        self._repeated = 0
        self._lookups: dict[bytes, asyncio.Task[T | None]] = {}

    def __len__(self) -> int:
        return len(self._valid) + len(self._invalid)

    async def lookup(
        self, token: str, fetch: Callable[[str], Awaitable[T | None]], *, remote: str | None = None
    ) -> T | None:
        """Return the answer for a token. Without one, call ``fetch``, once for all callers who wait for it.

        Args:
            token: The token.
            fetch: Returns the answer for a token; None for an invalid one.
            remote: The address of the caller.

        Raises:
            NotReadyError: Too many tokens are being looked up.

        """
        key = hashlib.sha256(token.encode()).digest()
        found = self._valid.find(key) or self._invalid.find(key)
        if found is not None:
            return found[0]
        task = self._lookups.get(key)
        if task is None:
            task = self._lookups[key] = asyncio.create_task(self._queued(key, token, fetch, remote))
            task.add_done_callback(lambda task: self._finish(key, task))
        # Shielded: other callers may wait for the same answer.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Cancel all lookups."""
        tasks = list(self._lookups.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _queued(
        self, key: bytes, token: str, fetch: Callable[[str], Awaitable[T | None]], remote: str | None
    ) -> T | None:
        if self._before.find(key) is None:
            async with self._queue.place(remote):
                answer = await self._fetch(key, token, fetch)
            if answer is None:
                self._queue.failed(remote)
            return answer
        if self._repeated >= MOST_LOOKUPS:
            raise refusal()
        self._repeated += 1
        try:
            return await self._fetch(key, token, fetch)
        finally:
            self._repeated -= 1

    def _finish(self, key: bytes, task: asyncio.Task[T | None]) -> None:
        del self._lookups[key]
        if not task.cancelled():
            task.exception()  # mark it as retrieved: no caller may be left

    async def _fetch(self, key: bytes, token: str, fetch: Callable[[str], Awaitable[T | None]]) -> T | None:
        requested = self._clock()
        answer = await fetch(token)
        if answer is None:
            self._invalid.put(key, requested, None)
        else:
            self._valid.put(key, requested, answer)
            self._before.put(key, requested, None)
        return answer

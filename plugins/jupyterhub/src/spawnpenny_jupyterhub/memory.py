"""Short-lived, bounded cache of the Hub's answers by token hash; concurrent lookups share one call."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from spawnpenny_jupyterhub.waiting_line import WaitingLine, refusal

T = TypeVar("T")

MOST_ASKED: Final = 64
"""How many tokens are asked for at once that the Hub has known before."""
_KNOWN_BEFORE: Final = 24 * 3600.0
"""Seconds for which it is remembered that a token was good, which is no answer, and lets it pass the waiting line."""
_REFUSALS: Final = 5.0  # seconds


class _Shelf(Generic[T]):
    """A bounded number of answers, each good for so many seconds; the one that was used longest ago gives way."""

    def __init__(self, size: int, seconds: float, clock: Callable[[], float]) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._answers: OrderedDict[bytes, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, key: bytes) -> tuple[T] | None:
        found = self._answers.get(key)
        if found is None:
            return None
        asked, answer = found
        if self._clock() >= asked + self._seconds:
            del self._answers[key]
            return None
        self._answers.move_to_end(key)
        return (answer,)

    def put(self, key: bytes, asked: float, answer: T) -> None:
        self._answers[key] = (asked, answer)
        self._answers.move_to_end(key)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)


class Memory(Generic[T]):
    """Remembers answers by the hash of the token, from the moment of asking; None, for "not known", for 5 s at most.

    Tokens that are not known have a place of their own: however many are tried, those that are known stay. And they
    wait in a line of their own: however many are tried, one that was good before is asked for at once.
    """

    def __init__(self, seconds: float, clock: Callable[[], float], *, size: int = 10_000) -> None:
        self._clock = clock
        self._known: _Shelf[T] = _Shelf(size, seconds, clock)
        self._refused: _Shelf[None] = _Shelf(size // 10, min(seconds, _REFUSALS), clock)
        self._before: _Shelf[None] = _Shelf(size, _KNOWN_BEFORE, clock)
        self._line = WaitingLine(clock)
        self._asked_again = 0
        self._asking: dict[bytes, asyncio.Task[T | None]] = {}

    def __len__(self) -> int:
        return len(self._known) + len(self._refused)

    async def recall(
        self, token: str, ask: Callable[[str], Awaitable[T | None]], *, asker: str | None = None
    ) -> T | None:
        """Return the answer for a token; ``ask`` is called where there is none, once for all who wait for it.

        Raises:
            NotReadyError: As many as may be are being asked for; ``asker`` is an address.

        """
        key = hashlib.sha256(token.encode()).digest()
        found = self._known.find(key) or self._refused.find(key)
        if found is not None:
            return found[0]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._in_turn(key, token, ask, asker))
            asking.add_done_callback(lambda task: self._asked(key, task))
        # A caller who goes away takes the answer from nobody else.
        return await asyncio.shield(asking)

    async def forget(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _in_turn(
        self, key: bytes, token: str, ask: Callable[[str], Awaitable[T | None]], asker: str | None
    ) -> T | None:
        if self._before.find(key) is None:
            async with self._line.place(asker):
                answer = await self._ask(key, token, ask)
            if answer is None:
                self._line.failed(asker)
            return answer
        if self._asked_again >= MOST_ASKED:
            raise refusal()
        self._asked_again += 1
        try:
            return await self._ask(key, token, ask)
        finally:
            self._asked_again -= 1

    def _asked(self, key: bytes, task: asyncio.Task[T | None]) -> None:
        del self._asking[key]
        if not task.cancelled():
            task.exception()  # all who waited for it may be gone

    async def _ask(self, key: bytes, token: str, ask: Callable[[str], Awaitable[T | None]]) -> T | None:
        asked = self._clock()
        answer = await ask(token)
        if answer is None:
            self._refused.put(key, asked, None)
        else:
            self._known.put(key, asked, answer)
            self._before.put(key, asked, None)
        return answer

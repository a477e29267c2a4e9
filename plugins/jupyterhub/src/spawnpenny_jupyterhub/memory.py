"""What the Hub said of tokens, for a short time: by their hash, so many, and each asked for once."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from spawnpenny.api import NotReadyError

T = TypeVar("T")

MOST_ASKED: Final = 64
"""How many tokens are asked for at once: whoever makes some up does not keep the Hub busy."""
MOST_BY_ONE: Final = 8
"""How many of them from one address, so that others have room."""
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

    Tokens that are not known have a place of their own: however many are tried, those that are known stay.
    """

    def __init__(self, seconds: float, clock: Callable[[], float], *, size: int = 10_000) -> None:
        self._clock = clock
        self._known: _Shelf[T] = _Shelf(size, seconds, clock)
        self._refused: _Shelf[None] = _Shelf(size // 10, min(seconds, _REFUSALS), clock)
        self._asking: dict[bytes, asyncio.Task[T | None]] = {}
        self._askers: Counter[str | None] = Counter()

    def __len__(self) -> int:
        return len(self._known) + len(self._refused)

    async def recall(
        self, token: str, ask: Callable[[str], Awaitable[T | None]], *, asker: str | None = None
    ) -> T | None:
        """Return the answer for a token; ``ask`` is called where there is none, once for all who wait for it.

        Raises:
            NotReadyError: As many as may be are being asked for, in all or by this one: ``asker`` is an address.

        """
        key = hashlib.sha256(token.encode()).digest()
        found = self._known.find(key) or self._refused.find(key)
        if found is not None:
            return found[0]
        asking = self._asking.get(key)
        if asking is None:
            if len(self._asking) >= MOST_ASKED or self._askers[asker] >= MOST_BY_ONE:
                raise NotReadyError("Many tokens are being looked up at JupyterHub; try again.", retry_after=1)
            self._askers[asker] += 1
            asking = self._asking[key] = asyncio.create_task(self._ask(key, token, ask))
            asking.add_done_callback(lambda task: self._asked(key, asker, task))
        # A caller who goes away takes the answer from nobody else.
        return await asyncio.shield(asking)

    async def forget(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _asked(self, key: bytes, asker: str | None, task: asyncio.Task[T | None]) -> None:
        del self._asking[key]
        self._askers[asker] -= 1
        if not self._askers[asker]:
            del self._askers[asker]
        if not task.cancelled():
            task.exception()  # all who waited for it may be gone

    async def _ask(self, key: bytes, token: str, ask: Callable[[str], Awaitable[T | None]]) -> T | None:
        asked = self._clock()
        answer = await ask(token)
        if answer is None:
            self._refused.put(key, asked, None)
        else:
            self._known.put(key, asked, answer)
        return answer

"""Pauses in long loops, so that the event loop is never held for longer than a few items take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")
AT_ONCE: Final = 20
"""How many items are handled between two pauses, where nothing else is said: a few milliseconds of work."""


class Pace:
    """Counts the items of one loop, and pauses after every ``at_once`` of them."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._handled = 0

    async def step(self) -> None:
        """Count one item; let other tasks run where it is time to."""
        self._handled += 1
        if self._handled >= self._at_once:
            self._handled = 0
            await asyncio.sleep(0)


async def paced(items: Iterable[T], at_once: int = AT_ONCE) -> AsyncIterator[T]:
    """Yield items with pauses. Their objects may have changed since the loop began: look at them anew."""
    pace = Pace(at_once)
    for item in items:
        yield item
        await pace.step()

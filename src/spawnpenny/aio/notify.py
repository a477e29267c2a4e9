"""Notify waiting tasks that something has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Bell:
    """Wakes everybody who waits, each time it rings."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Return what the next ring sets: take it before looking, so that no ring is missed."""
        return self._rung


class ChangeNotifier:
    """Says that something has changed, to each reader once."""

    def __init__(self) -> None:
        self._number = 0
        self._bell = Bell()

    def notify(self) -> None:
        self._number += 1
        self._bell.ring()

    def reader(self) -> Callable[[float], Awaitable[None]]:
        """Return what returns when there is something new since the last call, or after so many seconds."""
        heard = self._number

        async def until_changed(seconds: float) -> None:
            nonlocal heard
            if heard == self._number:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._bell.next().wait()
            heard = self._number

        return until_changed

"""Turns: how many spawns make things at once."""

from __future__ import annotations

import asyncio


class Turn:
    """One place among the spawns that make things. It is given back when the spawn only waits for a pod."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._held = False

    @property
    def has_to_wait(self) -> bool:
        return self._slots.locked()

    async def take(self) -> None:
        await self._slots.acquire()
        self._held = True

    def give_back(self) -> None:
        if self._held:
            self._held = False
            self._slots.release()

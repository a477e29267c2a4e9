"""Turns: how many spawns make things at once."""

from __future__ import annotations

import asyncio


class Slots:
    """The places. ``waiting`` are the spawns that wait for one, ``taken`` those that have one."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self.taken = 0
        self.waiting = 0

    @property
    def full(self) -> bool:
        return self._free.locked()

    async def take(self) -> None:
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.taken += 1

    def give_back(self) -> None:
        self.taken -= 1
        self._free.release()


class Turn:
    """One place among the spawns that make things. It is given back when the spawn only waits for a pod."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._held = False

    @property
    def has_to_wait(self) -> bool:
        return self._slots.full

    async def take(self) -> None:
        await self._slots.take()
        self._held = True

    def give_back(self) -> None:
        if self._held:
            self._held = False
            self._slots.give_back()

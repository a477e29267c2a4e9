"""The start queue: a limit on the spawns that create objects at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class StartQueue:
    """A fixed number of places, given in the order of arrival. ``taken`` counts the places in use."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._queue: deque[_Waiting] = deque()
        self.taken = 0

    @property
    def waiting(self) -> int:
        """The number of spawns that wait for a place."""
        return len(self._queue)

    async def take(self, ahead: Callable[[int], None]) -> None:
        """Wait for a place; call ``ahead`` with the number of spawns before this one, whenever that changes."""
        if self.taken < self._count and not self._queue:
            self.taken += 1
            return
        waiting = _Waiting(ahead)
        self._queue.append(waiting)
        ahead(len(self._queue) - 1)
        try:
            await waiting.called.wait()
        except asyncio.CancelledError:
            if waiting.called.is_set():
                self.give_back()
            else:
                self._queue.remove(waiting)
                self._notify()
            raise

    def give_back(self) -> None:
        self.taken -= 1
        if self._queue:
            self.taken += 1
            self._queue.popleft().called.set()
            self._notify()

    def _notify(self) -> None:
        for position, waiting in enumerate(self._queue):
            waiting.ahead(position)


class _Waiting:
    """One spawn that waits for a place."""

    def __init__(self, ahead: Callable[[int], None]) -> None:
        self.ahead = ahead
        self.called = asyncio.Event()


class Permit:
    """The right of one spawn to create objects now. It is given back while the spawn only waits for a pod."""

    def __init__(self, queue: StartQueue) -> None:
        self._queue = queue
        self._held = False

    async def take(self, notify: Callable[[str], None]) -> None:
        """Wait for a place; report the position in the queue meanwhile.

        The next report comes when at most half as many are ahead, as the spawn's record keeps every report.
        """
        reported: int | None = None

        def ahead(count: int) -> None:
            nonlocal reported
            if reported is None or count <= reported // 2 < reported:
                reported = count
                notify(f"Many spawns are under way: it waits for its turn, and {_others(count)} ahead of it.")

        await self._queue.take(ahead)
        self._held = True

    def give_back(self) -> None:
        if self._held:
            self._held = False
            self._queue.give_back()


def _others(count: int) -> str:
    return {0: "nobody is", 1: "one other is"}.get(count, f"{count} others are")

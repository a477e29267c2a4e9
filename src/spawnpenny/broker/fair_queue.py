"""A fair queue: users take turns, one user's work runs in sequence, and the number at once is limited."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Waiting work in one queue for each user, and the users whose work is running.

    A user with much work waits longer, and holds up nobody else.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queues: dict[str, deque[T]] = {}
        self._active: set[str] = set()

    def join(self, user: str, work: T) -> None:
        """Add work to the end of a user's queue."""
        self._queues.setdefault(user, deque()).append(work)

    def leave(self, user: str, work: T) -> bool:
        """Remove work from a user's queue; return False if it has started already."""
        queue = self._queues.get(user)
        if queue is None or work not in queue:
            return False
        queue.remove(work)
        if not queue:
            del self._queues[user]
        return True

    def next(self) -> T | None:
        """Return the next work, and start no other of its user until ``done``; None if nothing can start."""
        if len(self._active) >= self._limit:
            return None
        user = next((name for name in self._queues if name not in self._active), None)
        if user is None:
            return None
        queue = self._queues.pop(user)
        work = queue.popleft()
        if queue:
            self._queues[user] = queue  # at the end: the others come first
        self._active.add(user)
        return work

    def done(self, user: str) -> None:
        """Mark a user's work as done, so that the next can start."""
        self._active.discard(user)

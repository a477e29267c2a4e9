"""A fair queue: users take turns, one user's work runs in sequence, and the number at once is limited."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Waiting work, in one queue a user, and the number of places that are taken.

    A user who asks for much waits longer, and holds up nobody else.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._lines: dict[str, deque[T]] = {}
        self._at_work: set[str] = set()

    def join(self, user: str, work: T) -> None:
        """Add work to the end of a user's line."""
        self._lines.setdefault(user, deque()).append(work)

    def leave(self, user: str, work: T) -> bool:
        """Take work out of a user's line; return False where it had its turn already."""
        line = self._lines.get(user)
        if line is None or work not in line:
            return False
        line.remove(work)
        if not line:
            del self._lines[user]
        return True

    def next(self) -> T | None:
        """Return work whose turn it is, until ``done`` is called for its user; None while there is none."""
        if len(self._at_work) >= self._places:
            return None
        user = next((each for each in self._lines if each not in self._at_work), None)
        if user is None:
            return None
        line = self._lines.pop(user)
        work = line.popleft()
        if line:
            self._lines[user] = line  # at the end: the others come first
        self._at_work.add(user)
        return work

    def done(self, user: str) -> None:
        """Give the place of a user back."""
        self._at_work.discard(user)

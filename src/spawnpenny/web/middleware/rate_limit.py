"""Limits of callers: starts a minute, requests and event streams at once. Memory is bounded by what is in use."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from spawnpenny.web.errors import TooManyRequestsError

if TYPE_CHECKING:
    from spawnpenny.settings.sections import LimitSettings

_MINUTE: Final = 60.0
_RETRY_STREAM: Final = 5
_RETRY_REQUEST: Final = 2
_LEAST_SWEPT: Final = 1024
_LONG_WORK: Final = 0.001


class StartLimits:
    """Limit on the starts of a user in a minute.

    A user has as many at once as the limit says, and gets one back each ``60 / limit`` seconds. Of a user it keeps one
    number, and that only until the user has all of them again.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._each = _MINUTE / limit
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._sweep_at = _LEAST_SWEPT

    def __len__(self) -> int:
        return len(self._full_at)

    def count(self, username: str) -> float:
        """Count a start of a user, if there is one left; return the seconds until there is one, 0 if it was counted."""
        now = self._clock()
        full_at = max(self._full_at.get(username, now), now) + self._each
        wait = full_at - now - _MINUTE
        if wait > self._each * 1e-6:  # what adding up floats leaves over is no start
            return wait
        self._full_at[username] = full_at
        if len(self._full_at) >= self._sweep_at:
            self._forget(now)
        return 0.0

    def demand(self, username: str) -> None:
        """Count a start of a user.

        Raises:
            TooManyRequestsError: There is none left.

        """
        wait = self.count(username)
        if wait:
            raise self.refusal(username, wait)

    def refusal(self, username: str, wait: float) -> TooManyRequestsError:
        return TooManyRequestsError(
            f"{username} has asked for {self._limit} starts within a minute, as many as there may be.",
            retry_after=math.ceil(wait),
        )

    def _forget(self, now: float) -> None:
        self._full_at = {username: full_at for username, full_at in self._full_at.items() if full_at > now}
        self._sweep_at = max(_LEAST_SWEPT, 2 * len(self._full_at))


class StreamLimits:
    """Limit on the event streams that are open at once, of one user and in all. ``total`` are open."""

    def __init__(self, of_user: int, in_all: int) -> None:
        self._of_user = of_user
        self._in_all = in_all
        self._open: Counter[str] = Counter()
        self.total = 0

    @contextmanager
    def opened(self, username: str) -> Iterator[None]:
        """Count a stream for as long as the context lasts.

        Raises:
            TooManyRequestsError: As many are open as there may be.

        """
        if self._open[username] >= self._of_user:
            raise TooManyRequestsError(
                f"{username} has {self._of_user} event streams open, as many as there may be.",
                advice="Close an event stream that nobody reads any more, such as a page of a start, then ask again.",
                retry_after=_RETRY_STREAM,
            )
        if self.total >= self._in_all:
            raise TooManyRequestsError(
                f"{self._in_all} event streams are open, as many as there may be.",
                advice="Ask for the state by GET instead, or for the events in a few seconds.",
                retry_after=_RETRY_STREAM,
            )
        self._open[username] += 1
        self.total += 1
        try:
            yield
        finally:
            self.total -= 1
            self._open[username] -= 1
            if not self._open[username]:
                del self._open[username]


class RequestLimits:
    """Limit on the requests under way at once: of one user, and in all of those whose bodies are incomplete.

    Requests that stop something are counted apart, so that whatever else a user's programs leave open, the user can
    stop them. At most half of them wait for the end of what they stop.
    """

    def __init__(self, of_user: int, bodies: int) -> None:
        self._of_user = of_user
        self._most_bodies = bodies
        self._open: Counter[str] = Counter()
        self._stops: Counter[str] = Counter()
        self.bodies = 0

    def may_wait(self, username: str | None) -> bool:
        """Return whether a request that stops something may wait for its end."""
        return username is None or self._stops[username] <= self._of_user // 2

    @contextmanager
    def opened(self, username: str | None, *, stops: bool = False) -> Iterator[None]:
        """Count a request of a user for as long as the context lasts; one of nobody's is not counted.

        Args:
            username: Whose.
            stops: Whether it stops something.

        Raises:
            TooManyRequestsError: As many are open as there may be.

        """
        if username is None:
            yield
            return
        counts = self._stops if stops else self._open
        if counts[username] >= self._of_user:
            raise TooManyRequestsError(
                f"{username} has {self._of_user} requests under way, as many as there may be.",
                advice="Wait for the answers of those that are under way, then send this again.",
                retry_after=_RETRY_REQUEST,
            )
        counts[username] += 1
        try:
            yield
        finally:
            counts[username] -= 1
            if not counts[username]:
                del counts[username]

    @contextmanager
    def body(self) -> Iterator[None]:
        """Count a body that has not arrived yet for as long as the context lasts.

        Raises:
            TooManyRequestsError: As many are waited for as there may be.

        """
        if self.bodies >= self._most_bodies:
            raise TooManyRequestsError(
                f"The bodies of {self._most_bodies} requests have not arrived yet, as many as there may be.",
                advice="Send this again in a few seconds.",
                retry_after=_RETRY_REQUEST,
            )
        self.bodies += 1
        try:
            yield
        finally:
            self.bodies -= 1


class CallerLocks:
    """One costly piece of work at a time for each caller, with all others' in between.

    Work that does not wait holds the event loop. However many requests of one caller are ready at once, others wait
    for one of them only.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, caller: str) -> AsyncIterator[None]:
        """Work within this; the next of the same caller begins when the event loop has been around."""
        lock = self._locks.get(caller)
        if lock is None:
            lock = self._locks[caller] = asyncio.Lock()
        async with lock:
            began = time.perf_counter()
            try:
                yield
            finally:
                if time.perf_counter() - began > _LONG_WORK:
                    await asyncio.sleep(0)  # held on to for that: others ready by now find it taken


class Limits:
    """All limits of one application."""

    def __init__(self, settings: LimitSettings) -> None:
        self.locks = CallerLocks()
        self.starts = StartLimits(settings.starts)
        self.streams = StreamLimits(settings.user_streams, settings.streams)
        self.requests = RequestLimits(settings.user_requests, settings.bodies)

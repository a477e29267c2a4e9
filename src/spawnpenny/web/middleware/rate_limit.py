"""Limits of callers: starts per minute, requests and event streams at a time. Only users in use take memory."""

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
    """Limit of the starts of a user per minute.

    A user has ``limit`` starts, and gets one back every ``60 / limit`` seconds. One number is kept for a user, until
    the user has all starts back.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._interval = _MINUTE / limit
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._sweep_at = _LEAST_SWEPT

    def __len__(self) -> int:
        return len(self._full_at)

    def count(self, username: str) -> float:
        """Count a start of a user and return 0; if none is left, return the seconds until there is one."""
        now = self._clock()
        full_at = max(self._full_at.get(username, now), now) + self._interval
        wait = full_at - now - _MINUTE
        if wait > self._interval * 1e-6:  # tolerate the rounding of floats
            return wait
        self._full_at[username] = full_at
        if len(self._full_at) >= self._sweep_at:
            self._forget(now)
        return 0.0

    def demand(self, username: str) -> None:
        """Count a start of a user.

        Raises:
            TooManyRequestsError: No start is left.

        """
        wait = self.count(username)
        if wait:
            raise self.refusal(username, wait)

    def refusal(self, username: str, wait: float) -> TooManyRequestsError:
        """Return the error for a user who has to wait for so many seconds."""
        return TooManyRequestsError(
            f"{username} has requested {self._limit} starts within a minute. That is the limit.",
            retry_after=math.ceil(wait),
        )

    def _forget(self, now: float) -> None:
        self._full_at = {username: full_at for username, full_at in self._full_at.items() if full_at > now}
        self._sweep_at = max(_LEAST_SWEPT, 2 * len(self._full_at))


class StreamLimits:
    """Limit of the event streams that are open at a time, per user and in total. ``total`` counts the open ones."""

    def __init__(self, of_user: int, in_total: int) -> None:
        self._of_user = of_user
        self._in_total = in_total
        self._open: Counter[str] = Counter()
        self.total = 0

    @contextmanager
    def opened(self, username: str) -> Iterator[None]:
        """Count a stream for the time of the context.

        Raises:
            TooManyRequestsError: The limit is reached.

        """
        if self._open[username] >= self._of_user:
            raise TooManyRequestsError(
                f"{username} has {self._of_user} event streams open. That is the limit.",
                advice="Close an event stream that is no longer read, such as a progress page, then try again.",
                retry_after=_RETRY_STREAM,
            )
        if self.total >= self._in_total:
            raise TooManyRequestsError(
                f"{self._in_total} event streams are open. That is the limit.",
                advice="Read the state by GET instead, or try again in a few seconds.",
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
    """Limit of the requests in progress: per user, and in total of those whose bodies have not arrived.

    Requests that stop something are counted apart, so that a user with too many open requests can still stop labs. At
    most half of them may wait until the lab is gone.
    """

    def __init__(self, of_user: int, bodies: int) -> None:
        self._of_user = of_user
        self._most_bodies = bodies
        self._open: Counter[str] = Counter()
        self._stops: Counter[str] = Counter()
        self.bodies = 0

    def may_wait(self, username: str | None) -> bool:
        """Return whether another request of the user that stops something may wait until it is gone."""
        return username is None or self._stops[username] <= self._of_user // 2

    @contextmanager
    def opened(self, username: str | None, *, stops: bool = False) -> Iterator[None]:
        """Count a request for the time of the context.

        Args:
            username: The user of the caller. Requests of callers without a user are not counted.
            stops: Whether the request stops something.

        Raises:
            TooManyRequestsError: The limit is reached.

        """
        if username is None:
            yield
            return
        counts = self._stops if stops else self._open
        if counts[username] >= self._of_user:
            raise TooManyRequestsError(
                f"{username} has {self._of_user} requests in progress. That is the limit.",
                advice="Wait for the answers of the requests in progress, then send this one again.",
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
        """Count a body that has not arrived yet for the time of the context.

        Raises:
            TooManyRequestsError: The limit is reached.

        """
        if self.bodies >= self._most_bodies:
            raise TooManyRequestsError(
                f"The bodies of {self._most_bodies} requests have not arrived yet. That is the limit.",
                advice="Send this request again in a few seconds.",
                retry_after=_RETRY_REQUEST,
            )
        self.bodies += 1
        try:
            yield
        finally:
            self.bodies -= 1


class CallerLocks:
    """One lock per caller for work that blocks the event loop, such as parsing a body.

    However many requests of one caller are ready at the same time, the other callers wait for only one of them.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, caller: str) -> AsyncIterator[None]:
        """Hold the lock of a caller. After long work, the other tasks run before it is released."""
        lock = self._locks.get(caller)
        if lock is None:
            lock = self._locks[caller] = asyncio.Lock()
        async with lock:
            started = time.perf_counter()
            try:
                yield
            finally:
                if time.perf_counter() - started > _LONG_WORK:
                    await asyncio.sleep(0)  # with the lock held, so that the next request of this caller has to wait


class Limits:
    """The limits of one application."""

    def __init__(self, settings: LimitSettings) -> None:
        self.locks = CallerLocks()
        self.starts = StartLimits(settings.starts)
        self.streams = StreamLimits(settings.user_streams, settings.streams)
        self.requests = RequestLimits(settings.user_requests, settings.bodies)

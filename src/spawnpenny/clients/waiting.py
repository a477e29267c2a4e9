"""Repeat a request until something is gone, or until the last page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")

LONGEST_WAIT: Final = 60.0
"""Seconds that one request waits. A longer wait takes several, as proxies cut silent requests."""
SLACK: Final = 30.0
"""Seconds that an answer may take longer than the request waits."""


class Paged(Protocol):
    """An answer that is one page of several; ``next`` is the cursor of the next page, None on the last one."""

    @property
    def next(self) -> str | None: ...


P = TypeVar("P", bound=Paged)


def _never(_: object) -> bool:
    return False


async def until_gone(
    send: Callable[[float], Awaitable[T | None]], wait: float, *, given_up: Callable[[T], bool] = _never
) -> T | None:
    """Repeat a request until something is gone, and return None, or return the last answer after ``wait`` seconds.

    Args:
        send: Sends one request that waits for the given seconds, and returns None if it is gone.
        wait: Seconds in total.
        given_up: Whether an answer says that waiting is useless.

    """
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while (existing := await send(max(0.0, min(end - loop.time(), LONGEST_WAIT)))) is not None:
        if given_up(existing) or loop.time() >= end:
            return existing
    return None


async def pages(
    send: Callable[[Mapping[str, Any]], Awaitable[P]], *, limit: int, after: str | None = None
) -> AsyncIterator[P]:
    """Yield the pages of a list; ``send`` sends one request with the given query parameters."""
    while True:
        page = await send({"limit": str(limit)} | ({"after": after} if after else {}))
        yield page
        after = page.next
        if after is None:
            return

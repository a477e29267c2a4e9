"""Repeat requests until an answer says that nothing is left to request: an end, or the last page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")

LONGEST_WAIT: Final = 60.0
"""Seconds that one request waits. What takes longer is asked again: proxies cut requests that are silent."""
SLACK: Final = 30.0
"""Seconds that an answer may take beyond what the request waits."""


class Paged(Protocol):
    """An answer that is one page of several; ``next`` is where the next one begins, None on the last one."""

    @property
    def next(self) -> str | None: ...


P = TypeVar("P", bound=Paged)


def _never(_: object) -> bool:
    return False


async def until_gone(
    ask: Callable[[float], Awaitable[T | None]], wait: float, *, given_up: Callable[[T], bool] = _never
) -> T | None:
    """Ask until something is gone, and return None; or return the last answer once ``wait`` seconds are over.

    Args:
        ask: Makes one request that waits for so many seconds, and returns None once it is gone.
        wait: Seconds in all.
        given_up: Whether an answer says that it will not go by itself.

    """
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while (existing := await ask(max(0.0, min(end - loop.time(), LONGEST_WAIT)))) is not None:
        if given_up(existing) or loop.time() >= end:
            return existing
    return None


async def pages(
    ask: Callable[[Mapping[str, Any]], Awaitable[P]], *, limit: int, after: str | None = None
) -> AsyncIterator[P]:
    """Yield the pages of a list; ``ask`` makes one request with these query parameters."""
    while True:
        page = await ask({"limit": str(limit)} | ({"after": after} if after else {}))
        yield page
        after = page.next
        if after is None:
            return

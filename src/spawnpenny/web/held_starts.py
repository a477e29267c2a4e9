"""Hold a start while its user has as many spawns as allowed, and one of them is ending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import web

from spawnpenny.aio.race import until_first
from spawnpenny.spawns.errors import TooManySpawnsError
from spawnpenny.web.app_keys import CLOSING, SERVICE

T = TypeVar("T")

_LONGEST: Final = 20.0
"""Seconds for which a start is held; every client waits longer for an answer."""
_CHECK_INTERVAL: Final = 0.5
"""Seconds between two checks that the caller is still connected."""


async def hold_start(request: web.Request, username: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a start; try the start again when a spawn of the user has ended.

    Nothing is started for a caller who has disconnected meanwhile.

    Raises:
        TooManySpawnsError: No spawn is ending, or it takes too long.

    """
    end = asyncio.get_running_loop().time() + _LONGEST
    while True:
        try:
            return await attempt()
        except TooManySpawnsError:
            if not await _one_has_ended(request, username, end):
                raise


async def _one_has_ended(request: web.Request, username: str, end: float) -> bool:
    """Wait until a spawn of the user has ended; return whether one has, and the caller is still connected."""
    closing = request.app[CLOSING]
    ending = request.app[SERVICE].spawns.ending(username)
    while ending and not any(task.done() for task in ending):
        left = end - asyncio.get_running_loop().time()
        if left <= 0 or closing.is_set() or _disconnected(request):
            return False
        ended = asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        await until_first(ended, closing.wait(), seconds=min(left, _CHECK_INTERVAL))
    return bool(ending) and not _disconnected(request)


def _disconnected(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()

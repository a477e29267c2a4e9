"""Hold a start while its user has the largest number of spawns, and some of them are ending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import web

from spawnpenny.aio.race import until_first
from spawnpenny.spawns.errors import TooManySpawnsError
from spawnpenny.web.app_keys import CLOSING, SERVICE

T = TypeVar("T")

_PATIENCE: Final = 20.0
"""Seconds for which a start is held: clients of all kinds wait longer for an answer."""
_LOOK: Final = 0.5
"""Seconds between two looks whether the caller is still connected."""


async def hold_start(request: web.Request, username: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what a start returns; try it again when a spawn of the user's has ended.

    Nothing is started for a caller who has gone meanwhile.

    Raises:
        TooManySpawnsError: None is ending, or it takes too long.

    """
    end = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            return await attempt()
        except TooManySpawnsError:
            if not await _one_has_ended(request, username, end):
                raise


async def _one_has_ended(request: web.Request, username: str, end: float) -> bool:
    """Wait until one of a user's spawns has ended; return whether one has and the start is still wanted."""
    closing = request.app[CLOSING]
    ending = request.app[SERVICE].spawns.ending(username)
    while ending and not any(task.done() for task in ending):
        left = end - asyncio.get_running_loop().time()
        if left <= 0 or closing.is_set() or _has_gone(request):
            return False
        ended = asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        await until_first(ended, closing.wait(), seconds=min(left, _LOOK))
    return bool(ending) and not _has_gone(request)


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()

"""Waits in a handler: for so long, and no longer than the service runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from spawnpenny.errors import ElsewhereError
from spawnpenny.web.keys import CLOSING

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp import web

    from spawnpenny.pipeline.account import Run


async def until(request: web.Request, run: Run, happened: Coroutine[Any, Any, None], seconds: float) -> None:
    """Wait until something has happened to a spawn, for so long, and no longer than the service runs.

    Raises:
        ElsewhereError: Another replica goes on with it.

    """
    waits: set[asyncio.Task[Any]] = {
        asyncio.create_task(happened),
        asyncio.create_task(request.app[CLOSING].wait()),
    }
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
    if run.moved:
        raise ElsewhereError(None)

"""Wait in a handler: for a limited time, and no longer than the service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spawnpenny.aio.race import until_first
from spawnpenny.errors import ElsewhereError
from spawnpenny.web.app_keys import CLOSING

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp import web

    from spawnpenny.spawns.active import ActiveSpawn


async def until(request: web.Request, run: ActiveSpawn, happened: Coroutine[Any, Any, None], seconds: float) -> None:
    """Wait until something has happened to a spawn, for so long, and no longer than the service runs.

    Raises:
        ElsewhereError: Another replica goes on with it.

    """
    await until_first(happened, request.app[CLOSING].wait(), seconds=seconds)
    if run.moved:
        raise ElsewhereError(None)

"""Hold requests while the state is unknown, as after a restart, for clients of a dialect that give up at a 503."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

from spawnpenny.errors import NotReadyError
from spawnpenny.web.app_keys import CLOSING, SERVICE
from spawnpenny.web.dialect import dialect_of

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler


PATIENCE: Final = 20.0
_MARGIN: Final = 5.0
_PAUSE: Final = 1.0


@web.middleware
async def hold_until_ready(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hold a request of a foreign protocol until the service can answer it, or for a while.

    It runs before ``authorize``, as the caller may not be known yet either. It does not repeat a request that another
    replica may have carried out already.
    """
    dialect = dialect_of(request)
    if dialect is None or request.match_info.http_exception is not None or not dialect.is_held(request):
        return await handler(request)
    service, loop = request.app[SERVICE], asyncio.get_running_loop()
    # Another replica takes over the users of a dead one when its lease has expired.
    until = loop.time() + max(PATIENCE, service.settings.replicas.lease + _MARGIN)
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await service.until_ready()
    while True:
        moved = service.moved.next()
        try:
            return await handler(request)
        except NotReadyError:
            if not dialect.may_repeat(request) or loop.time() >= until or request.app[CLOSING].is_set():
                raise
        await _pause(moved)


async def _pause(moved: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_PAUSE):
            await moved.wait()

"""The creation of a cluster, of which the name becomes known whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from spawnpenny.clients.dask.gateway import Gateway

_LAST_WORD: Final = 5.0
"""Seconds that an interrupted creation waits for the name of what was asked for."""


async def create(gateway: Gateway, options: Mapping[str, Any], accepted: Callable[[str], None]) -> None:
    """Have a cluster made, and tell its name, also where this is interrupted: without it, it could not be ended.

    Raises:
        ClientError: It was not accepted.

    """
    creating = asyncio.create_task(gateway.create(options))
    try:
        await asyncio.shield(creating)
    except asyncio.CancelledError:
        await asyncio.wait([creating], timeout=_LAST_WORD)
        raise
    finally:
        if creating.done() and not creating.cancelled() and creating.exception() is None:
            accepted(creating.result())
        creating.cancel()

"""Write the record of a user, however long the cluster takes to answer."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_state import UserState

_FIRST_PAUSE: Final = 0.5
"""Seconds before the second try: the likely cause is a short outage of the cluster."""


async def persist(service_context: ServiceContext, user_state: UserState) -> None:
    """Write the record of a user state, and try again until the cluster answers.

    Raises:
        RecordLostError: Another replica has taken the user over.
        ElsewhereError: The user state has moved.

    """
    waits = pauses(_FIRST_PAUSE)
    while True:
        try:
            async with user_state.lock:
                user_state.demand_here()
                await service_context.store.save(user_state.record)
        except ClusterError as error:
            log = structlog.get_logger("spawnpenny.spawn")
            log.warning("the record cannot be written yet", user=user_state.username, error=error.message)
            await asyncio.sleep(next(waits))
        else:
            return

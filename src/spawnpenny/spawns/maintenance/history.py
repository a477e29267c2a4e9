"""Expire spawns that have been over for longer than ``deadlines.history``."""

from __future__ import annotations

import time

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.errors import SpawnpennyError
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState


async def forget_history(service_context: ServiceContext, user_registry: UserRegistry) -> None:
    """Drop it from memory and from the records."""
    oldest = time.time() - service_context.settings.deadlines.history
    async for user_state in paced(user_registry):
        with service_context.faults.isolated("account", user_state.slug):
            await _forget(service_context, user_state, oldest)


async def _forget(service_context: ServiceContext, user_state: UserState, oldest: float) -> None:
    async with user_state.lock:
        old = [run for run in user_state.history() if (run.record.ended_at or 0.0) < oldest]
        for run in old:
            user_state.forget(run)
            run.vanish()
        if old and not user_state.moved:
            await _write_once(service_context, user_state)


async def _write_once(service_context: ServiceContext, user_state: UserState) -> None:
    """Write a record without waiting for a cluster that does not answer: one user may not hold up all others."""
    try:
        await service_context.store.save(user_state.record)
    except SpawnpennyError as error:
        log = structlog.get_logger("spawnpenny.maintenance")
        log.warning("a record cannot be written", user=user_state.username, error=error.message)

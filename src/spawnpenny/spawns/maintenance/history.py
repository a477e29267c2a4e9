"""Expire spawns that have been over for longer than ``deadlines.history``."""

from __future__ import annotations

import time

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.errors import SpawnpennyError
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_registry import Accounts
from spawnpenny.spawns.user_state import Account


async def forget_history(service_context: ServiceContext, accounts: Accounts) -> None:
    """Drop it from memory and from the records."""
    oldest = time.time() - service_context.settings.deadlines.history
    async for account in paced(accounts):
        with service_context.faults.isolated("account", account.slug):
            await _forget(service_context, account, oldest)


async def _forget(service_context: ServiceContext, account: Account, oldest: float) -> None:
    async with account.lock:
        old = [run for run in account.history() if (run.record.ended_at or 0.0) < oldest]
        for run in old:
            account.forget(run)
            run.vanish()
        if old and not account.moved:
            await _write_once(service_context, account)


async def _write_once(service_context: ServiceContext, account: Account) -> None:
    """Write a record without waiting for a cluster that does not answer: one user may not hold up all others."""
    try:
        await service_context.store.save(account.record)
    except SpawnpennyError as error:
        log = structlog.get_logger("spawnpenny.maintenance")
        log.warning("a record cannot be written", user=account.username, error=error.message)

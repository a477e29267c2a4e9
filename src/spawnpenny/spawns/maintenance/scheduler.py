"""Run each maintenance task at its interval, as long as the service runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.pipeline.step import Step
from spawnpenny.spawns.maintenance.expiry import IdleNamespaces, delete_dead_leases, expire_history
from spawnpenny.spawns.maintenance.orphans import Orphans
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_registry import UserRegistry

_HISTORY: Final = 60.0
"""Seconds between two passes over the history, at most."""


class Maintenance:
    """The maintenance tasks of one replica, for the users that it owns."""

    def __init__(
        self,
        service_context: ServiceContext,
        user_registry: UserRegistry,
        steps: Sequence[Step],
        record_again: Callable[[], Awaitable[None]],
    ) -> None:
        self.orphans = Orphans(service_context, user_registry, steps)
        self.idle = IdleNamespaces(service_context, user_registry)
        self._service_context = service_context
        self._user_registry = user_registry
        self._record_again = record_again

    def supervise(self, supervisor: Supervisor) -> None:
        """Run each task at its interval, until the supervisor is closed."""
        deadlines, settings = self._service_context.settings.deadlines, self._service_context.settings.housekeeping
        every = min(_HISTORY, deadlines.history)
        supervisor.supervise("history", lambda: _repeat(self._expire_history, every), essential=False)
        supervisor.supervise("maintenance", lambda: _repeat(self.run_once, settings.every), essential=False)

    async def run_once(self) -> None:
        """Make one pass of all tasks but the expiry of history."""
        await self._record_again()
        await self.orphans.sweep()
        await self.idle.release()
        await delete_dead_leases(self._service_context)

    async def _expire_history(self) -> None:
        await expire_history(self._service_context, self._user_registry)


async def _repeat(task: Callable[[], Awaitable[None]], every: float) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            await task()
        except Exception:  # noqa: BLE001 - the next time may go better
            structlog.get_logger("spawnpenny.maintenance").exception("a maintenance task failed")

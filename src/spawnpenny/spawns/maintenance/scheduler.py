"""Run each maintenance task at its interval, as long as the service runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.pipeline.step import Step
from spawnpenny.spawns.maintenance.dead import forget_the_dead
from spawnpenny.spawns.maintenance.history import forget_history
from spawnpenny.spawns.maintenance.idle import Idle
from spawnpenny.spawns.maintenance.orphans import Orphans
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_registry import UserRegistry

_HISTORY: Final = 60.0
"""Seconds between two looks at what is over."""


class Maintenance:
    """Keeps house for the users whom this replica looks after."""

    def __init__(
        self,
        service_context: ServiceContext,
        user_registry: UserRegistry,
        steps: Sequence[Step],
        record_again: Callable[[], Awaitable[None]],
    ) -> None:
        self.orphans = Orphans(service_context, user_registry, steps)
        self.idle = Idle(service_context, user_registry)
        self._service_context = service_context
        self._user_registry = user_registry
        self._record_again = record_again

    def supervise(self, supervisor: Supervisor) -> None:
        """Do each chore at its time, until the supervisor is closed."""
        deadlines, settings = self._service_context.settings.deadlines, self._service_context.settings.housekeeping
        every = min(_HISTORY, deadlines.history)
        supervisor.supervise("history", lambda: _repeated(self._forget_history, every), essential=False)
        supervisor.supervise("housekeeping", lambda: _repeated(self.keep_house, settings.every), essential=False)

    async def keep_house(self) -> None:
        """Do once what is done from time to time."""
        await self._record_again()
        await self.orphans.sweep()
        await self.idle.let_go()
        await forget_the_dead(self._service_context)

    async def _forget_history(self) -> None:
        await forget_history(self._service_context, self._user_registry)


async def _repeated(chore: Callable[[], Awaitable[None]], every: float) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            await chore()
        except Exception:  # noqa: BLE001 - the next time may go better
            structlog.get_logger("spawnpenny.maintenance").exception("a chore failed")

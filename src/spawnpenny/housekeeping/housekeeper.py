"""Does each chore at its time, for as long as the service runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from spawnpenny.housekeeping.dead import forget_the_dead
from spawnpenny.housekeeping.history import forget_history
from spawnpenny.housekeeping.idle import Idle
from spawnpenny.housekeeping.leftovers import Leftovers
from spawnpenny.pipeline.accounts import Accounts
from spawnpenny.pipeline.step import Step
from spawnpenny.pipeline.world import World

_HISTORY: Final = 60.0
"""Seconds between two looks at what is over."""


class Housekeeper:
    """Keeps house for the users whom this replica looks after."""

    def __init__(
        self, world: World, accounts: Accounts, steps: Sequence[Step], recorded_again: Callable[[], None]
    ) -> None:
        self.leftovers = Leftovers(world, accounts, steps)
        self.idle = Idle(world, accounts)
        self._world = world
        self._accounts = accounts
        self._recorded_again = recorded_again

    async def run(self) -> None:
        """Work until cancelled; a chore that fails is told in the log and done again at its next time."""
        settings = self._world.settings
        await asyncio.gather(
            _repeated(lambda: forget_history(self._world, self._accounts), min(_HISTORY, settings.deadlines.history)),
            _repeated(self.keep_house, settings.housekeeping.every),
        )

    async def keep_house(self) -> None:
        """Do once what is done from time to time."""
        self._recorded_again()
        await self.leftovers.sweep()
        await self.idle.let_go()
        await forget_the_dead(self._world)


async def _repeated(chore: Callable[[], Awaitable[None]], every: float) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            await chore()
        except Exception:  # noqa: BLE001 - the next time may go better, and the other chores go on
            structlog.get_logger("spawnpenny.housekeeping").exception("a chore failed")

"""Wait for the resources that ending spawns of a user still take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from spawnpenny.domain.resources import Resources, total

if TYPE_CHECKING:
    from spawnpenny.domain.kinds import Kinds
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.user_state import UserState

_PAUSE: Final = 0.5
"""Seconds until the next look at a spawn whose task has not started yet."""


def ending(user_state: UserState, *, but: ActiveSpawn) -> list[ActiveSpawn]:
    """Return a user's other spawns that are being deleted, without those that failed for good."""
    return [
        run
        for run in user_state.runs.values()
        if run is not but and run.record.leaving and (not run.settled or _is_under_way(run))
    ]


def room_of(runs: Sequence[ActiveSpawn]) -> Resources:
    """Return the resources of several spawns together."""
    return total(run.record.resources for run in runs)


def describe(runs: Sequence[ActiveSpawn], kinds: Kinds) -> str:
    """Return a message that names the spawns it waits for."""
    names = [f"the {kinds.describe(run.record.key)}" for run in runs]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"Waiting until {listed} {'have' if len(names) > 1 else 'has'} ended."


async def until_room(blocking: Callable[[], list[ActiveSpawn]], notify: Callable[[str], None], kinds: Kinds) -> None:
    """Wait until a spawn fits beside its user's other spawns, including those that are ending.

    Admission does not count ending spawns, so a spawn may have to wait for them.
    """
    while runs := blocking():
        notify(describe(runs, kinds))
        tasks = {run.task for run in runs if run.task is not None and not run.task.done()}
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(_PAUSE)


def _is_under_way(run: ActiveSpawn) -> bool:
    return run.task is not None and not run.task.done()

"""Wait for the resources that ending spawns of a user still take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from spawnpenny.domain.resources import Resources, total

if TYPE_CHECKING:
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.user_state import UserState

_PAUSE: Final = 0.5
"""Seconds until the next look at a spawn whose task is not begun yet."""


def ending(user_state: UserState, *, but: ActiveSpawn) -> list[ActiveSpawn]:
    """Return a user's other spawns that are being taken away; not those that are given up."""
    return [
        run
        for run in user_state.runs.values()
        if run is not but and run.record.leaving and (not run.settled or _is_under_way(run))
    ]


def room_of(runs: Sequence[ActiveSpawn]) -> Resources:
    """Return what spawns take together."""
    return total(run.record.resources for run in runs)


def describe(runs: Sequence[ActiveSpawn]) -> str:
    """Say which spawns are waited for."""
    names = [f"the {run.record.key.describe()}" for run in runs]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"Waiting until {listed} {'have' if len(names) > 1 else 'has'} ended."


async def until_room(blocking: Callable[[], list[ActiveSpawn]], notify: Callable[[str], None]) -> None:
    """Return once what a spawn asks for fits beside what its user's other spawns have, those that end included.

    It was accepted without those, so that it only has to wait.
    """
    while runs := blocking():
        notify(describe(runs))
        tasks = {run.task for run in runs if run.task is not None and not run.task.done()}
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(_PAUSE)


def _is_under_way(run: ActiveSpawn) -> bool:
    return run.task is not None and not run.task.done()

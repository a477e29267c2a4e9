"""Supervise a running spawn: run its steps' ``supervise`` side by side, and begin again when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.aio.settle import settle
from spawnpenny.errors import SpawnError
from spawnpenny.pipeline.order import Ordered
from spawnpenny.pipeline.spawn import Spawn
from spawnpenny.pipeline.step import Step

_CALM: Final = 60.0
"""Seconds without a failure after which the next pause is a short one again."""


def supervising_steps(pipeline: Ordered) -> list[Step]:
    """Return the steps of a pipeline that supervise running spawns."""
    return [step for step in pipeline.steps if type(step).supervise is not Step.supervise]


async def supervise(supervised: Sequence[tuple[Step, Spawn]]) -> None:
    """Supervise a spawn until cancelled, or until no step has anything left to supervise.

    Raises:
        SpawnError: The spawn must end, for this reason.

    """
    tasks = {asyncio.create_task(_supervise(step, spawn), name=step.name) for step, spawn in supervised}
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await settle(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


async def _supervise(step: Step, spawn: Spawn) -> None:
    log, loop, waits = structlog.get_logger("spawnpenny.supervision"), asyncio.get_running_loop(), pauses()
    while True:
        began = loop.time()
        try:
            return await step.supervise(spawn)
        except SpawnError:
            raise
        except Exception:
            log.warning("the supervision by a step failed; it starts again", step=step.name, exc_info=True)
        if loop.time() - began > _CALM:
            waits = pauses()
        await asyncio.sleep(next(waits))

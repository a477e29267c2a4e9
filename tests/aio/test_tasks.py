"""The tasks of the service end with it."""

from __future__ import annotations

import asyncio

from spawnpenny.aio.tasks import Tasks
from spawnpenny.testing.patience import PATIENCE


async def test_closing_ends_also_what_a_task_starts_at_its_end():
    tasks = Tasks()

    async def last():
        await asyncio.Event().wait()

    async def first():
        try:
            await asyncio.Event().wait()
        finally:
            tasks.run(last())

    tasks.run(first())
    await asyncio.sleep(0)
    await tasks.close()
    assert not any(task.get_coro().__name__ in {"first", "last"} for task in asyncio.all_tasks())


async def test_closing_where_all_has_ended_comes_to_an_end():
    tasks = Tasks()

    async def nothing():
        return

    task = tasks.start(nothing())
    await asyncio.sleep(0)  # it has run, and nothing has heard of its end yet
    assert task.done()
    async with asyncio.timeout(PATIENCE):
        await tasks.close()

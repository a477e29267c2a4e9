"""Several coroutines, of which the rest is cancelled when one ends."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.aio.race import after_a_while


async def test_a_cancellation_of_the_context_is_raised_even_while_the_work_beside_it_ends():
    begun, ending, release = (asyncio.Event() for _ in range(3))

    async def work():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await release.wait()

    async def context():
        async with after_a_while(0, work):
            await begun.wait()

    task = asyncio.create_task(context())
    await ending.wait()
    task.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_the_context_ends_with_its_own_outcome():
    async with after_a_while(3600, lambda: asyncio.sleep(0)):
        pass
    with pytest.raises(LookupError):
        async with after_a_while(3600, lambda: asyncio.sleep(0)):
            raise LookupError

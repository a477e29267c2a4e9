"""Work that may not be broken off ends before a cancellation is raised."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.aio.settle import settle, uninterrupted


class Work:
    """Goes on when it is let, and notes that it came to its end."""

    def __init__(self, error=None):
        self.started, self.let, self.ended, self.error = asyncio.Event(), asyncio.Event(), False, error

    async def __call__(self):
        self.started.set()
        await self.let.wait()
        self.ended = True
        if self.error:
            raise self.error
        return "done"


async def cancelled_while_at_it(work, waiter, times):
    await work.started.wait()
    for _ in range(times):
        waiter.cancel()
        await asyncio.wait({waiter}, timeout=0)
        assert not waiter.done()
    work.let.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_undisturbed_it_returns_what_the_work_does():
    work = Work()
    work.let.set()
    assert await uninterrupted(work()) == "done"


async def test_the_error_of_the_work_is_raised():
    work = Work(ValueError("x"))
    work.let.set()
    with pytest.raises(ValueError, match="x"):
        await uninterrupted(work())


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_cancellation_is_raised_once_the_work_has_ended(times):
    work = Work()
    await cancelled_while_at_it(work, asyncio.create_task(uninterrupted(work())), times)
    assert work.ended


async def test_of_work_that_fails_after_a_cancellation_only_the_cancellation_is_heard():
    work = Work(ValueError("x"))
    await cancelled_while_at_it(work, asyncio.create_task(uninterrupted(work())), 1)
    assert work.ended


@pytest.mark.parametrize("times", [1, 2])
async def test_settle_waits_for_all_also_when_it_is_cancelled(times):
    slow, failing = Work(), Work(ValueError("x"))
    tasks = {asyncio.create_task(slow()), asyncio.create_task(failing())}
    failing.let.set()
    await cancelled_while_at_it(slow, asyncio.create_task(settle(tasks)), times)
    assert slow.ended
    assert {type(task.exception()) for task in tasks} == {type(None), ValueError}


async def test_settle_has_nothing_to_wait_for_where_all_have_ended():
    await settle([])

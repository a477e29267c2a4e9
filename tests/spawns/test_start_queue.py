"""The start queue: the order of the permits, and what waiting spawns learn."""

from __future__ import annotations

import asyncio

from spawnpenny.spawns.start_queue import Permit, StartQueue


async def request(queue, messages):
    """Ask for a turn, and return when it is had or waited for."""
    permit = Permit(queue)
    task = asyncio.create_task(permit.take(messages.append))
    await asyncio.sleep(0)
    return permit, task


async def test_permits_are_given_in_order_and_a_waiting_spawn_learns_how_many_are_ahead():
    queue, messages = StartQueue(1), [[] for _ in range(6)]
    permits = [await request(queue, received) for received in messages]
    assert (queue.taken, queue.waiting) == (1, 5)
    assert [received[0].rpartition(", and ")[2] if received else "" for received in messages] == [
        "",
        "nobody is ahead of it.",
        "one other is ahead of it.",
        "2 others are ahead of it.",
        "3 others are ahead of it.",
        "4 others are ahead of it.",
    ]
    for permit, task in permits:
        await task
        permit.give_back()
    assert [message.rpartition(", and ")[2] for message in messages[5]] == [
        "4 others are ahead of it.",
        "2 others are ahead of it.",
        "one other is ahead of it.",
        "nobody is ahead of it.",
    ]
    assert (queue.taken, queue.waiting) == (0, 0)


async def test_one_who_goes_leaves_the_queue_and_one_who_goes_when_called_passes_the_place_on():
    queue, messages = StartQueue(1), []
    first, _ = await request(queue, [])
    _, leaves = await request(queue, [])
    _, called = await request(queue, [])
    last, waits = await request(queue, messages)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    assert queue.waiting == 2
    first.give_back()
    called.cancel()  # it has been called, and does not know yet
    await asyncio.gather(called, return_exceptions=True)
    await waits
    last.give_back()
    assert (queue.taken, queue.waiting) == (0, 0)

"""Who makes things first where many want to, and what those are told who wait."""

from __future__ import annotations

import asyncio

from spawnpenny.spawns.start_queue import Permit, StartQueue


async def begin(slots, told):
    """Ask for a turn, and return when it is had or waited for."""
    permit = Permit(slots)
    task = asyncio.create_task(permit.take(told.append))
    await asyncio.sleep(0)
    return permit, task


async def test_places_are_given_in_order_and_one_who_waits_is_told_how_many_are_ahead():
    slots, told = StartQueue(1), [[] for _ in range(6)]
    turns = [await begin(slots, each) for each in told]
    assert (slots.taken, slots.waiting) == (1, 5)
    assert [each[0].rpartition(", and ")[2] if each else "" for each in told] == [
        "",
        "nobody is ahead of it.",
        "one other is ahead of it.",
        "2 others are ahead of it.",
        "3 others are ahead of it.",
        "4 others are ahead of it.",
    ]
    for permit, task in turns:
        await task
        permit.give_back()
    assert [each.rpartition(", and ")[2] for each in told[5]] == [
        "4 others are ahead of it.",
        "2 others are ahead of it.",
        "one other is ahead of it.",
        "nobody is ahead of it.",
    ]
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_one_who_goes_leaves_the_queue_and_one_who_goes_when_called_passes_the_place_on():
    slots, told = StartQueue(1), []
    first, _ = await begin(slots, [])
    _, leaves = await begin(slots, [])
    _, called = await begin(slots, [])
    last, waits = await begin(slots, told)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    assert slots.waiting == 2
    first.give_back()
    called.cancel()  # it has been called, and does not know yet
    await asyncio.gather(called, return_exceptions=True)
    await waits
    last.give_back()
    assert (slots.taken, slots.waiting) == (0, 0)

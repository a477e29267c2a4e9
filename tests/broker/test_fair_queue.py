"""The fair queue: the order of work, and its limits."""

from __future__ import annotations

from spawnpenny.broker.fair_queue import FairQueue


def drain(queue, *, done=True):
    order = []
    while (work := queue.next()) is not None:
        order.append(work)
        if done:
            queue.done(work[0])
    return order


def queue_of(limit, *works):
    queue = FairQueue(limit)
    for work in works:
        queue.join(work[0], work)
    return queue


def test_users_take_turns():
    assert drain(queue_of(1, "a1", "a2", "a3", "b1", "c1", "c2")) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_a_users_work_is_done_one_after_the_other():
    queue = queue_of(9, "a1", "a2", "b1")
    assert drain(queue, done=False) == ["a1", "b1"]
    queue.done("a")
    assert drain(queue) == ["a2"]


def test_no_more_is_done_at_once_than_there_are_places():
    queue = queue_of(2, "a1", "b1", "c1")
    assert drain(queue, done=False) == ["a1", "b1"]
    queue.done("b")
    assert drain(queue, done=False) == ["c1"]


def test_who_leaves_has_no_turn():
    queue = queue_of(1, "a1", "a2")
    assert queue.leave("a", "a1")
    assert drain(queue) == ["a2"]
    assert not queue.leave("a", "a2")

"""Whose turn it is."""

from __future__ import annotations

from spawnpenny.broker.fair_queue import FairQueue


def drain(lines, *, done=True):
    order = []
    while (work := lines.next()) is not None:
        order.append(work)
        if done:
            lines.done(work[0])
    return order


def lines_of(places, *works):
    lines = FairQueue(places)
    for work in works:
        lines.join(work[0], work)
    return lines


def test_users_take_turns():
    assert drain(lines_of(1, "a1", "a2", "a3", "b1", "c1", "c2")) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_a_users_work_is_done_one_after_the_other():
    lines = lines_of(9, "a1", "a2", "b1")
    assert drain(lines, done=False) == ["a1", "b1"]
    lines.done("a")
    assert drain(lines) == ["a2"]


def test_no_more_is_done_at_once_than_there_are_places():
    lines = lines_of(2, "a1", "b1", "c1")
    assert drain(lines, done=False) == ["a1", "b1"]
    lines.done("b")
    assert drain(lines, done=False) == ["c1"]


def test_who_leaves_has_no_turn():
    lines = lines_of(1, "a1", "a2")
    assert lines.leave("a", "a1")
    assert drain(lines) == ["a2"]
    assert not lines.leave("a", "a2")

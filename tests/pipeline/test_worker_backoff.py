"""Pauses before new workers start."""

from __future__ import annotations

from spawnpenny.api import Backoff


def test_one_worker_lost_is_replaced_at_once_and_many_with_longer_and_longer_pauses():
    backoff, now, pauses = Backoff(), 0.0, []
    for _ in range(9):
        backoff.failed(now)
        pauses.append(backoff.left(now))
        now += pauses[-1] + 1
    assert pauses == [0, 2, 4, 8, 16, 32, 60, 60, 60]
    backoff.failed(now + 200)
    assert backoff.left(now + 200) == 0

"""What a real scheduler reports of itself to the service that looks after it."""

from __future__ import annotations

import time

import pytest
from distributed import Client, Scheduler
from spawnpenny_dask.spawnpenny_control import Watch


@pytest.fixture
async def scheduler():
    """Run a scheduler that never looks by itself whether it is idle, and has done nothing for an hour."""
    async with Scheduler(host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as scheduler:
        scheduler.periodic_callbacks["idle-timeout"].stop()
        scheduler.check_idle()
        scheduler.idle_since = time.time() - 3600
        yield scheduler


async def test_what_came_before_the_cluster_could_be_used_is_no_idle_time(scheduler):
    watch = Watch(scheduler, "token")
    watch.alone_since = time.monotonic() - 3600
    first = watch.state()
    assert 0 <= first["idle"] < 60
    assert 0 <= first["alone"] < 60
    watch.first_request -= 1800
    later = watch.state()
    assert 1800 <= later["idle"] < 1860
    assert 1800 <= later["alone"] < 1860


async def test_a_task_that_was_submitted_just_now_counts(scheduler):
    watch = Watch(scheduler, "token")
    assert watch.state()["idle"] is not None
    async with Client(scheduler.address, asynchronous=True) as client:
        future = client.submit(sum, [1, 2])
        while future.key not in scheduler.tasks:
            await client.scheduler.identity()
        assert watch.state()["idle"] is None

"""Workers that will not come back, though their pods have not ended."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest
from spawnpenny_dask import joined_workers
from spawnpenny_dask.joined_workers import JoinedWorkers
from spawnpenny_dask.scheduler_client import State

from spawnpenny.testing.plugins import POD_UID, find_processes


def pod(name="w", *, age=0.0, phase="Pending", ready=None, **container):
    created = datetime.fromtimestamp(time.time() - age, UTC).isoformat()
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    status = {"phase": phase, "conditions": conditions}
    if container:
        status["containerStatuses"] = [{"name": "worker", "image": "dask", "state": container}]
    return {
        "metadata": {"name": name, "creationTimestamp": created},
        "spec": {"containers": [{"name": "worker"}], "restartPolicy": "Never"},
        "status": status,
    }


RUNNING = {"running": {"startedAt": "2026-11-30T08:00:00Z"}}
HERE = State(workers={"w": "running"})


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("existing", "state", "lost"),
    [
        (dict(phase="Running", **RUNNING), State(left={"w": 119.0}), False),  # its nanny starts it anew
        (dict(phase="Running", **RUNNING), State(left={"w": 121.0}), True),
        (dict(phase="Running", **RUNNING), State(), False),  # its image may install things first
        (dict(phase="Running", ready="Unknown", **RUNNING), State(left={"w": 31.0}), True),
        (dict(phase="Running", ready="Unknown", **RUNNING), HERE, False),  # the kubelet alone does not answer
        (dict(phase="Running", ready="Unknown", **RUNNING), None, False),  # nor does the scheduler
        (dict(**waiting("InvalidImageName")), State(), True),
        (dict(age=240, **waiting("ImagePullBackOff", "i/o timeout")), State(), False),
        (dict(age=301, **waiting("ImagePullBackOff", "i/o timeout")), State(), True),  # another machine may have it
        ({"age": 301}, State(), False),  # it waits for a machine: another pod would wait as well
        (dict(age=301, **waiting("ContainerCreating")), State(), False),
    ],
)
def test_who_will_not_come_back(existing, state, lost):
    joined, pods = JoinedWorkers(), [pod(**existing)]
    joined.note(HERE if state and state.left else state, pods)
    assert bool(joined.lost(pods, state)) is lost


async def test_a_worker_that_hangs_is_replaced_once_its_scheduler_has_given_it_up(dask_site, monkeypatch):
    monkeypatch.setattr(joined_workers, "_RETURN", 1.0)
    variables = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s"}
    async with dask_site.running(worker={"nanny": False, "memory": "1Gi"}) as site:
        await site.cluster(environment=variables)
        await site.scale(1)
        (first,) = await site.until_workers(1)
        await site.python_in("c1", "client.wait_for_workers(1)")
        uid = (await site.site.read("Pod", first))["metadata"]["uid"]
        for process in await asyncio.to_thread(find_processes, {POD_UID: uid}):
            process.suspend()
        await site.until_workers(1, but={first})
        assert any("It does not come back to the scheduler." in message for message in site.events())

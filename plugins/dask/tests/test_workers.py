"""How workers end, and which ends are faults: of real schedulers and workers, with a nanny and without."""

from __future__ import annotations

import asyncio
import json

import pytest
from spawnpenny_dask import churn
from spawnpenny_dask.churn import Churn

from spawnpenny.testing.patience import PATIENCE

BARE = {"nanny": False, "memory": "1Gi"}
RESTARTS = """
client.wait_for_workers(1)
for n in range(5):
    client.restart(timeout=100)
    assert client.submit(pow, 2, n, pure=False).result(timeout=100) == 2**n
"""


@pytest.mark.parametrize("nanny", [True, False], ids=["nanny", "bare"])
async def test_restarts_of_a_client_are_no_failures(any_dask_site, nanny):
    async with any_dask_site.running(worker={"nanny": nanny, "memory": "1Gi"}) as site:
        await site.cluster()
        await site.scale(1)
        with site.service.service_context.pods.subscribe() as changes:
            seen = set()
            watching = asyncio.create_task(collect(changes, seen))
            await site.python_in("c1", RESTARTS)
            watching.cancel()
        assert len(seen) == (1 if nanny else 6)
        assert not warnings_of(site)


async def collect(changes, seen):
    """Take down the names of all workers that there are."""
    async for change in changes:
        if ".w-" in (name := change.object["metadata"]["name"]):
            seen.add(name)


def warnings_of(site):
    return [event.message for event in site.run().record.log.since(None) if event.severity == "warning"]


async def test_workers_that_leave_by_themselves_are_replaced_at_once(dask_site):
    """By their lifetime, and as a client retires them."""
    lifetime = {"DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "3s"}
    async with dask_site.running(worker=BARE) as site:
        await site.cluster(environment=lifetime)
        await site.scale(1)
        names = await site.until_workers(1)
        for _ in range(3):  # had it been a failure, the third one would have waited
            names = await site.until_workers(1, but=names)
        await site.python_in("c1", "client.wait_for_workers(1)\nclient.retire_workers()")
        await site.until_workers(1, but=names)
        assert not warnings_of(site)


def test_restarts_by_a_client_are_not_too_many_and_those_without_end_are():
    churn = Churn()
    assert not any(churn.too_much(0.0) for _ in range(30))
    assert churn.too_much(1.0)
    assert not churn.too_much(500.0)
    assert not any(churn.too_much(500.0, 1 / 100) for _ in range(2000))
    assert any(churn.too_much(500.0, 1 / 100) for _ in range(2000))


async def test_workers_that_end_well_without_end_are_held_back(dask_site, monkeypatch):
    monkeypatch.setattr(churn, "_RESTARTS", 1)
    lifetime = {"DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "1s"}
    async with dask_site.running(worker=BARE) as site:
        await site.cluster(environment=lifetime)
        await site.scale(1)
        await site.notified("again and again")
        async with asyncio.timeout(PATIENCE):
            while (held := site.run().held_back) is None:  # noqa: ASYNC110 - nothing else tells that a pause has begun
                await asyncio.sleep(0)
        assert "again and again" in held.message


async def test_a_program_that_ends_well_before_it_is_a_worker_is_a_failure(dask_site):
    idle = {"extra_container_config": {"args": ["python", "-c", "pass"]}}
    async with dask_site.running(worker=idle) as site:
        await site.cluster()
        with site.service.service_context.pods.subscribe() as changes:
            await site.scale(1)
            seen = set()
            while len(seen) < 3:
                seen |= {(await anext(changes)).object["metadata"]["name"]} - {"dask-c1"}
        assert len(seen) == 3


@pytest.mark.parametrize("nanny", [True, False], ids=["nanny", "bare"])
async def test_a_worker_that_is_ordered_away_hands_over_what_only_it_has(any_dask_site, nanny):
    """To its successor, as there is no other worker."""
    async with any_dask_site.running(worker={"nanny": nanny, "memory": "1Gi"}) as site:
        await site.cluster()
        await site.scale(1)
        first = await site.until_workers(1)
        script = "client.wait_for_workers(1)\nclient.publish_dataset(kept=client.scatter(list(range(30))))"
        await site.python_in("c1", script)
        await site.site.cluster.delete(site.site.ref("Pod", *first))
        await gone(site, *first)
        assert site.workers() != first
        assert await site.python_in("c1", "print(sum(client.gather(client.get_dataset('kept'))))") == "435"
        (notice,) = [message for message in site.events() if "has to go" in message]
        assert "The pod was deleted from outside." in notice
        await site.stop()


async def gone(site, name):
    async with asyncio.timeout(PATIENCE):
        await site.service.service_context.pods.wait_for(site.site.namespace(), name, lambda pod: pod is None)


NANNY_STARTED = """
import time
client.wait_for_workers(1)
while set(client.run(lambda dask_worker: dask_worker.status.name, nanny=True).values()) != {"running"}:
    time.sleep(0.1)
"""  # a worker is known before its nanny has started; one that dies between the two takes the nanny with it

KILL = """
import json, os, time
client.wait_for_workers(1)
try:
    client.submit(lambda: os.kill(os.getpid(), 9)).result(timeout=100)
except Exception as error:
    print(type(error).__name__)
while not (logged := [event for _, event in client.get_events("spawnpenny") if event["severity"] == "warning"]):
    time.sleep(0.1)
print(json.dumps(logged[0]))
"""


@pytest.mark.parametrize(
    ("nanny", "says"),
    [
        (True, "The process of a worker has ended. Signal 9 ended it, as the kernel does if memory runs out."),
        (False, "A worker has ended. The container worker ended by itself with exit code 137."),
    ],
    ids=["nanny", "bare"],
)
async def test_why_a_worker_ended_is_in_the_schedulers_own_events(any_dask_site, nanny, says):
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    async with any_dask_site.running(worker={"nanny": nanny, "memory": "1Gi"}) as site:
        await site.cluster(environment=once)
        await site.scale(1)
        raised, logged = (await site.python_in("c1", (NANNY_STARTED if nanny else "") + KILL)).split("\n")
        event = json.loads(logged)
        assert raised == "KilledWorker"
        assert event["message"].startswith(says)
        assert (event["kind"], event["code"]) == ("info", "pod_crashed")
        (kept,) = [event for event in site.run().record.log.since(None) if event.message.startswith(says)]
        assert (event["id"], event["time"], event["message"]) == (kept.id, kept.time, kept.message)


EXCEED = """
import json, time
from spawnpenny.testing.patience import PATIENCE
client.wait_for_workers(1)
def eat():
    block = bytearray(500 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(30)
try:
    client.submit(eat).result(timeout=100)
except Exception as error:
    print(type(error).__name__)
while not (logged := [event["code"] for _, event in client.get_events("spawnpenny") if event["code"]]):
    time.sleep(0.1)
print(logged[0])
"""


async def test_a_nanny_ends_a_worker_that_uses_too_much_memory_and_says_so(dask_site):
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    async with dask_site.running(worker={"memory": "400Mi"}) as site:
        await site.cluster(environment=once)
        await site.scale(1)
        assert (await site.python_in("c1", EXCEED)).split("\n") == ["KilledWorker", "out_of_memory"]

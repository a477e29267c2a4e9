"""Each defect that was found in the original (reference: docs/how-to/dask.md), as a test that it is not here."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import contextmanager

import pytest
import pytest_asyncio

from spawnpenny.testing.notebook import CellError

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def adas(ada):
    """Have a running cluster of ada's, in her notebook as ``cluster``; its name."""
    yield await ada.run("cluster = gateway.new_cluster(); cluster.name")
    await ada.run("cluster.shutdown()")


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(dask, adas):
    """Have that cluster without workers."""
    yield adas
    await scale(dask, adas, 0)
    await until_workers(dask, adas, 0)


async def scale(dask, cluster, count):
    status, answer = await dask.ask("POST", f"/gateway/api/v1/clusters/{cluster}/scale", {"count": count})
    assert (status, answer["ok"]) == (200, True), answer


async def status(dask, cluster):
    _, answer = await dask.ask("GET", f"/v1/users/ada/dask/{cluster}")
    return answer


async def until_workers(dask, cluster, running, pending=0):
    async def that_many():
        found = await dask.workers(cluster)
        view = await status(dask, cluster)
        return len(found) == running + pending and view["workers"] == {"running": running, "pending": pending}

    await dask.until(that_many, f"{running} workers, and {pending} that are pending")


@contextmanager
def stopped(processes):
    """Have processes answer nothing, and what is asked of them wait."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


async def test_lost_scale_the_last_request_holds_though_an_answer_is_awaited_meanwhile(dask, cluster):
    """Its scale that arrived while a heartbeat was answered was acknowledged and forgotten."""
    await scale(dask, cluster, 1)
    await until_workers(dask, cluster, 1)
    with stopped(await dask.processes(await dask.scheduler(cluster))):
        for count in (3, 0, 2, 4):
            await scale(dask, cluster, count)
        await asyncio.gather(*(scale(dask, cluster, count) for count in (3, 1)))
        await scale(dask, cluster, 2)
    await until_workers(dask, cluster, 2)
    assert (await status(dask, cluster))["scale"]["count"] == 2


async def test_lost_scale_a_service_that_is_killed_after_its_answer_has_kept_it(dask, cluster):
    await scale(dask, cluster, 2)
    await dask.service.kill()
    await dask.service.start()
    await until_workers(dask, cluster, 2)


async def test_pending_scale_down_takes_those_that_wait_and_no_others(dask, ada, tickets):
    """It took pending pods by a negative slice: of two that ran and three that waited, it left all for scale(2)."""
    cluster = await ada.run("held = gateway.new_cluster(held=True); held.name")
    for name in ("one", "two"):
        (tickets / name).mkdir()
    await scale(dask, cluster, 5)
    running = await ada.run("""
        client = held.get_client()
        client.wait_for_workers(2, timeout=100)
        kept = client.scatter(list(range(8)))
        sorted(client.scheduler_info(n_workers=-1)["workers"])
    """)
    assert len(await dask.workers(cluster)) == 5
    await scale(dask, cluster, 2)

    async def left():
        return len(await dask.workers(cluster)) == 2

    await dask.until(left, "two workers")
    assert await ada.run('sorted(client.scheduler_info(n_workers=-1)["workers"])') == running
    assert await ada.run("client.gather(kept)") == list(range(8))
    await scale(dask, cluster, 6)
    await scale(dask, cluster, 0)
    await until_workers(dask, cluster, 0)
    await ada.run("held.shutdown()")


async def test_keys_in_lists_there_are_none(dask, cluster):
    """Each list of clusters carried the private key of each."""
    _, listed = await dask.ask("GET", "/gateway/api/v1/clusters/")
    assert cluster in listed
    assert "PRIVATE KEY" not in json.dumps(listed)
    _, one = await dask.ask("GET", f"/gateway/api/v1/clusters/{cluster}")
    assert "PRIVATE KEY" in one["tls_key"]
    _, again = await dask.ask("GET", f"/gateway/api/v1/clusters/{cluster}")
    assert again["tls_key"] != one["tls_key"]


async def test_console_scripts_none_is_needed(dask, cluster):
    """It ran dask-scheduler and dask-worker, which distributed has no more."""
    await scale(dask, cluster, 1)
    await until_workers(dask, cluster, 1)
    for pod in await dask.pods(cluster):
        (container,) = pod["spec"]["containers"]
        assert "command" not in container
        assert re.search(r"python \S+ distributed\.cli\.dask_(scheduler|worker)", " ".join(container["args"]))


async def test_vanished_worker_is_replaced_and_its_work_done(dask, ada, cluster):
    """Its reconciliation failed on a pod that was gone already, and waited up to five minutes."""
    await ada.run("""
        cluster.scale(2)
        client = cluster.get_client()
        client.wait_for_workers(2, timeout=100)
        work = client.map(lambda n: n * n, range(20))
        _ = client.gather(work)
    """)
    lost, _ = await dask.workers(cluster)
    await dask.vanish(lost)

    async def replaced():
        names = {pod["metadata"]["name"] for pod in await dask.workers(cluster)}
        return len(names) == 2 and lost["metadata"]["name"] not in names

    await dask.until(replaced, "another worker in its place")
    assert await ada.run("client.wait_for_workers(2, timeout=100); sum(client.gather(work))") == 2470


async def test_killed_scheduler_is_reported_with_its_reason_and_nothing_is_left(dask, ada):
    """Its cluster was FAILED and gone, with its pods and logs, and nobody could say why."""
    name = await ada.run("doomed = gateway.new_cluster(); doomed.scale(1); doomed.name")
    await until_workers(dask, name, 1)
    await dask.kill(await dask.scheduler(name))

    async def over():
        return (await status(dask, name))["phase"] == "exited"

    await dask.until(over, "the cluster is over")
    assert (await status(dask, name))["reason"]["code"] == "pod_crashed"

    async def gone():
        return not await dask.pods(name)

    await dask.until(gone, "no pod of the cluster")
    with pytest.raises(CellError, match="exit code 137"):
        await ada.run(f"gateway.connect({name!r})")


async def test_closed_workers_are_forgotten(dask, ada, cluster):
    """Each of its heartbeats told of every worker that had ever been closed."""
    await ada.run("cluster.scale(2); cluster.get_client().wait_for_workers(2, timeout=100); cluster.scale(0)")
    await until_workers(dask, cluster, 0)

    async def only_its_scheduler():
        return len(await dask.pods(cluster)) == 1

    await dask.until(only_its_scheduler, "no pod but the scheduler's")
    assert (await status(dask, cluster))["workers"] == {"running": 0, "pending": 0}

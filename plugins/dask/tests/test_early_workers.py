"""Workers that are made beside their scheduler, and wait for its address: real schedulers and workers."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from spawnpenny.api import Phase, Scale
from spawnpenny.testing.site import start_cluster

GATE = """
export PATH={path}:/usr/bin:/bin
case "$*" in *dask_scheduler*) while [ ! -e {gate} ]; do sleep 0.05; done;; esac
exec "$@"
"""


def gated(site, **worker):
    """Return settings of a site on which schedulers begin once the gate is open."""
    script = GATE.format(path=Path(site.python).parent, gate=site.folder / "gate")
    return {"command": ["sh", "-c", script, "--"], "worker": {"memory": "1Gi", **worker}}


def open_gate(site):
    (site.folder / "gate").touch()


async def waits(site, count, *, scale=None, **options):
    """Start a cluster and scale it; return the names of its workers, which run before the scheduler does."""
    run = await start_cluster(site.service, "c1", options=options)
    await site.service.spawns.scale("ada", run.record.key, scale or Scale(count))
    names = await site.until_workers(count)
    await listening(site, names)
    assert run.record.phase is Phase.PENDING
    return run, names


async def listening(site, names):
    """Wait until these workers' pods take connections at the port of those that wait."""
    for name in names:
        pod = site.service.service_context.pods.get(site.site.namespace(), name)
        while not (host := (pod or {}).get("status", {}).get("podIP")):
            pod = await site.site.cluster.read(site.site.ref("Pod", name))
        async with asyncio.timeout(40):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, 8788)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)  # it is another process
                else:
                    writer.close()
                    break


@pytest.mark.parametrize("nanny", [True, False], ids=["nanny", "bare"])
async def test_workers_start_beside_their_scheduler_and_join_it(any_dask_site, nanny):
    async with any_dask_site.running(**gated(any_dask_site, nanny=nanny)) as site:
        run, names = await waits(site, 2)
        open_gate(site)
        await until_running(run)
        script = """
from distributed import get_client
client.wait_for_workers(2)
print(sorted(worker["name"] for worker in client.scheduler_info()["workers"].values()))
print(client.submit(lambda: get_client().submit(sum, [1, 2]).result()).result())
"""
        found = await site.python_in("c1", script)
        assert found.split("\n") == [str(sorted(names)), "3"]
        assert await site.until_workers(2) == names
        await site.stop()
        assert not await site.site.objects("Pod", "Secret")


async def until_running(run):
    async with asyncio.timeout(40):
        while run.record.phase in {Phase.REQUESTED, Phase.PENDING}:
            await run.bell.next().wait()
    assert run.record.phase is Phase.RUNNING


async def test_an_adaptive_minimum_and_a_later_scale_start_beside_it(dask_site):
    async with dask_site.running(**gated(dask_site)) as site:
        run, first = await waits(site, 1, scale=Scale(1, minimum=1, maximum=3, adaptive=True))
        await site.scale(3)
        names = await site.until_workers(3)
        assert names > first
        open_gate(site)
        await until_running(run)
        await site.python_in("c1", "client.wait_for_workers(3)")
        assert await site.until_workers(3) == names


async def test_a_cluster_that_is_stopped_before_its_scheduler_runs_leaves_no_worker(dask_site):
    async with dask_site.running(**gated(dask_site)) as site:
        await waits(site, 2)
        await site.stop()
        assert not await site.site.objects("Pod", "Secret")


async def test_workers_that_wait_while_the_service_is_away_join_after_all(dask_site):
    """The next service starts the pending cluster again, or goes on with it: no worker is made twice."""
    async with dask_site.running(**gated(dask_site)) as site:
        _, names = await waits(site, 2)
    open_gate(dask_site)
    async with dask_site.running(**gated(dask_site)) as site:
        await until_running(site.run())
        await site.python_in("c1", "client.wait_for_workers(2)")
        assert await site.until_workers(2) == names


@pytest.mark.parametrize(
    "worker",
    [
        {"program": [sys.executable, "-m", "distributed.cli.dask_worker"]},
        {"extra_container_config": {"args": ["python", "-c", "import signal; signal.pause()"]}},
    ],
    ids=["program", "args"],
)
async def test_what_a_site_starts_by_itself_comes_when_there_is_an_address(dask_site, worker):
    async with dask_site.running(**gated(dask_site, **worker)) as site:
        run = await start_cluster(site.service, "c1")
        await site.scale(1)
        open_gate(site)
        await until_running(run)
        (name,) = await site.until_workers(1)
        pod = await site.site.cluster.read(site.site.ref("Pod", name))
        assert "spawnpenny.io/awaits-scheduler" not in pod["metadata"]["annotations"]


async def test_workers_of_a_secret_without_the_token_of_waiting_ones_come_when_there_is_an_address(dask_site):
    """An earlier version made the Secret of a cluster that is still pending, and this one goes on with it."""
    async with dask_site.running(**gated(dask_site)) as site:
        await start_cluster(site.service, "c1")
        await site.notified("Waiting for the scheduler to answer")
    ref = dask_site.site.ref("Secret", "dask-c1")
    secret = await dask_site.site.cluster.read(ref)
    data = {key: value for key, value in secret["data"].items() if key != "join"}
    metadata = {
        key: secret["metadata"][key]
        for key in ("name", "namespace", "labels", "annotations")
        if key in secret["metadata"]
    }
    await dask_site.site.cluster.delete(ref)
    await dask_site.site.cluster.create({**secret, "metadata": metadata, "data": data}, ref.resource)
    async with dask_site.running(**gated(dask_site)) as site:
        await site.scale(1)
        open_gate(site)
        await until_running(site.run())
        (name,) = await site.until_workers(1)
        await site.python_in("c1", "client.wait_for_workers(1)")
        pod = await site.site.cluster.read(site.site.ref("Pod", name))
        assert "spawnpenny.io/awaits-scheduler" not in pod["metadata"]["annotations"]

"""A service that is killed at every call that a Dask cluster with two workers takes, with a lab beside it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Key, Phase, Scale
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import lab, settled, start_cluster

VICTIM = Path(__file__).with_name("victim.py")
CLUSTER = Key("dask", "c1")
WORKS = {
    "make_cluster": 7,  # record, Secret, scheduler, record; the scale's record, two workers
    "stop_cluster": 6,  # record, three pods, Secret, record
    "lose_cluster": 5,  # record, two pods, Secret, record
}
EVERY = [(work, at, when) for work, calls in WORKS.items() for at in range(calls) for when in ("before", "after")]
SOME = [
    ("make_cluster", 2, "after"),
    ("make_cluster", 5, "after"),
    ("stop_cluster", 2, "after"),
    ("lose_cluster", 0, "after"),
]
SCALED = 4
"""The call with which the scale is written."""


@pytest.fixture
async def dask_site(apiserver, kube_site, hollow_schedulers):
    kube_site.data["plugins"]["dask"] = {}
    return kube_site


async def kill(apiserver, site, work, at, when):
    """Run a service that is killed at that call."""
    order = {"kubeconfig": str(apiserver.kubeconfig), "data": site.data, "work": work, "at": at, "when": when}
    process = await asyncio.create_subprocess_exec(sys.executable, str(VICTIM), json.dumps(order))
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(("work", "at", "when"), EVERY if os.environ.get("SPAWNPENNY_TEST_ALL") == "1" else SOME)
async def test_a_cluster_survives_the_death_of_the_service_or_nothing_of_it_does(apiserver, dask_site, work, at, when):
    await kill(apiserver, dask_site, work, at, when)
    written = (at, when) != (0, "before")
    async with dask_site.service() as service:
        run = service.spawns.find("ada", CLUSTER)
        if work == "make_cluster":
            assert (run is not None) == written
            if run is not None:
                assert (await settled(run)).record.phase is Phase.RUNNING, run.record.reason
                await until_workers(service, dask_site, 2 if at > SCALED or (at, when) == (SCALED, "after") else 0)
        elif work == "stop_cluster" and not written:
            await until_workers(service, dask_site, 2)
        elif work == "stop_cluster":
            await until_over(run)
            assert service.spawns.find("ada", CLUSTER) is None
        else:
            await until_over(run)
            assert (run.record.phase, run.record.reason.code) == (Phase.EXITED, "pod_gone")
        await check_a_next_one_runs(service, dask_site)
        assert service.spawns.find("ada", lab("other")).record.phase is Phase.RUNNING


async def until_over(run):
    """Wait until nothing is left of a cluster, if there is one still."""
    while run is not None and not (run.gone or (run.record.phase.over and run.record.reverted)):
        await run.bell.next().wait()


async def check_a_next_one_runs(service, site):
    """Take away what there is, see that nothing of it is left, and start another one."""
    if (run := await service.spawns.stop("ada", CLUSTER)) is not None:
        await run.until_gone()
    assert set(await site.objects("Pod", "Secret")) == {"Pod/lab-other", "Secret/lab-other"}
    again = await settled(await start_cluster(service))
    assert again.record.phase is Phase.RUNNING, again.record.reason
    await service.spawns.scale("ada", CLUSTER, Scale(1))
    await until_workers(service, site, 1)


async def until_workers(service, site, count):
    """Wait until there are so many workers that run."""
    async with asyncio.timeout(PATIENCE):
        with service.service_context.pods.subscribe() as changes:
            while True:
                pods = [pod for pod in service.service_context.pods.within(site.namespace()) if is_worker(pod)]
                if [pod.get("status", {}).get("phase") for pod in pods] == ["Running"] * count:
                    return
                await anext(changes)


def is_worker(pod):
    return labels.PART in pod["metadata"]["labels"]

"""How many calls to the Kubernetes API a Dask cluster costs, counted by the API server itself."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Key, Phase, Scale
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import settled, start_cluster

C1 = Key("dask", "c1")
RECORD = {"update secrets": 1}


@pytest.fixture
def dask_site(kube_site, hollow_schedulers):
    """Have a site with Dask, where a user may use much."""
    kube_site.data["plugins"] |= {"dask": {}, "quota": {"cpu": 100, "memory": "200Gi"}}
    return kube_site


async def until_looked_at(service, schedulers, site):
    """Wait until it is written that the cluster runs, and it was looked at once more."""
    scheduler = schedulers.of(site.namespace(), "dask-c1")
    looked = scheduler.requests["GET /state"]
    async with asyncio.timeout(PATIENCE):
        while scheduler.requests["GET /state"] < looked + 2:  # the first one may have been under way
            service.spawns.find("ada", C1).changes.notify()
            await asyncio.sleep(0.02)


async def until_workers(service, schedulers, site, count):
    """Wait until a cluster has so many workers, and it was seen that nothing more is to be done."""
    async with asyncio.timeout(PATIENCE):
        with service.service_context.pods.subscribe() as changes:
            while (
                len([pod for pod in service.service_context.pods.within(site.namespace()) if is_worker(pod)]) != count
            ):
                await anext(changes)
    await until_looked_at(service, schedulers, site)


def is_worker(pod):
    return labels.PART in pod["metadata"]["labels"]


async def test_the_calls_of_a_cluster_from_its_start_to_its_end(dask_site, hollow_schedulers, counted):
    async with dask_site.service() as service:
        with counted() as first:
            run = await settled(await start_cluster(service))
            assert run.record.phase is Phase.RUNNING, run.record.reason
            await until_looked_at(service, hollow_schedulers, dask_site)
        with counted() as up:
            await service.spawns.scale("ada", C1, Scale(12))
            await until_workers(service, hollow_schedulers, dask_site, 12)
        with counted() as down:
            await service.spawns.scale("ada", C1, Scale(5))
            await until_workers(service, hollow_schedulers, dask_site, 5)
        with counted() as nothing_to_do:
            await until_looked_at(service, hollow_schedulers, dask_site)
            assert [run.record.scale.count for _, run in service.spawns.all("dask")] == [5]
        with counted() as stopped:
            await (await service.spawns.stop("ada", C1)).until_gone()
        with counted() as again:
            await settled(await start_cluster(service))
            await until_looked_at(service, hollow_schedulers, dask_site)
    assert len(first) == 10
    assert Counter(up) == RECORD | {"create pods": 12}
    assert Counter(down) == RECORD | {"delete pods": 7}
    assert nothing_to_do == []
    assert Counter(stopped) == {"update secrets": 2, "delete pods": 6, "delete secrets": 1}
    assert again == ["update secrets", "create secrets", "create pods", "update secrets"]


async def test_the_calls_of_what_happens_by_itself(dask_site, hollow_schedulers, hollow_node, counted):
    async with dask_site.service() as service:
        await settled(await start_cluster(service))
        await until_looked_at(service, hollow_schedulers, dask_site)
        scheduler = hollow_schedulers.of(dask_site.namespace(), "dask-c1")
        with counted() as adapted:
            await service.spawns.scale("ada", C1, Scale(adaptive=True, maximum=4))
            scheduler.target = 9
            await until_workers(service, hollow_schedulers, dask_site, 4)
        with counted() as lost:
            worker = next(filter(is_worker, service.service_context.pods.within(dask_site.namespace())))["metadata"][
                "name"
            ]
            await hollow_node.exit(dask_site.namespace(), worker, 137, "OOMKilled")
            await service.service_context.pods.wait_for(dask_site.namespace(), worker, lambda pod: pod is None)
            await until_workers(service, hollow_schedulers, dask_site, 4)
    with counted() as restarted:
        async with dask_site.service() as service:
            await until_looked_at(service, hollow_schedulers, dask_site)
    assert Counter(adapted) == RECORD | {"create pods": 4}
    assert sorted(lost) == ["create pods", "delete pods"]
    assert [call for call in restarted if "leases" not in call] == ["update secrets"]


async def test_what_happens_to_a_cluster_is_not_looked_at_by_the_users_others(dask_site, hollow_schedulers):
    async with dask_site.service() as service:
        for name in ("c1", "c2"):
            await settled(await start_cluster(service, name))
        await until_looked_at(service, hollow_schedulers, dask_site)
        other = hollow_schedulers.of(dask_site.namespace(), "dask-c2")
        before = other.requests["GET /state"]
        for count in (12, 0):
            await service.spawns.scale("ada", C1, Scale(count))
            await until_workers(service, hollow_schedulers, dask_site, count)
        assert other.requests["GET /state"] <= before + 1  # it is looked at from time to time

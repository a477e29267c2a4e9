"""Groups of workers over restarts of the service, and over changes of the settings."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from spawnpenny.domain.spawns import Key, Scale
from spawnpenny.errors import QuotaExceededError
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import settled, start_cluster

C1 = Key("dask", "c1")
GROUPS = {"spot": {"cores": 2, "node_selector": {"pool": "spot"}}, "large": {"cores": 4, "max": 1}}


async def until_groups(service, site, **counts):
    """Wait until there are so many workers of each group that stay, and no others."""

    def found():
        pods = [
            pod["metadata"]
            for pod in service.service_context.pods.within(site.namespace())
            if "spawnpenny.io/part" in pod["metadata"]["labels"] and "deletionTimestamp" not in pod["metadata"]
        ]
        return Counter(pod["labels"].get("spawnpenny.io/worker-group", "default") for pod in pods)

    async with asyncio.timeout(PATIENCE):
        with service.service_context.pods.subscribe() as changes:
            while found() != Counter(counts):
                await anext(changes)


def configure(site, groups):
    site.data["plugins"] |= {"dask": {"worker_groups": groups}, "quota": {"cpu": 20, "memory": "64Gi"}}


async def test_they_are_held_over_a_restart_and_each_is_replaced_in_its_group(kube_site, hollow_schedulers):
    configure(kube_site, GROUPS)
    async with kube_site.service() as service:
        await settled(await start_cluster(service, "c1"))
        scaled = await service.spawns.scale("ada", C1, Scale(1, groups={"spot": 2, "large": 1}))
        assert scaled.refusal is None
        await until_groups(service, kube_site, default=1, spot=2, large=1)
        run = service.spawns.find("ada", C1)
        assert run.record.resources.cpu == 1 + 1 + 2 * 2 + 4
    async with kube_site.service() as service:
        pods = service.service_context.pods.within(kube_site.namespace())
        (lost, *_) = [p for p in pods if p["metadata"]["labels"].get("spawnpenny.io/worker-group") == "spot"]
        assert lost["spec"]["nodeSelector"] == {"pool": "spot"}
        await kube_site.cluster.delete(kube_site.ref("Pod", lost["metadata"]["name"]))
        await service.service_context.pods.wait_for(
            kube_site.namespace(), lost["metadata"]["name"], lambda pod: pod is None
        )
        await until_groups(service, kube_site, default=1, spot=2, large=1)
        assert service.spawns.find("ada", C1).record.scale == Scale(1, groups={"spot": 2, "large": 1})


async def test_a_cluster_is_of_use_where_workers_of_any_group_fit(kube_site, hollow_schedulers):
    configure(kube_site, {"small": {"cores": 1}, "large": {"cores": 30}})
    kube_site.data["plugins"]["dask"]["worker"] = {"cores": 40}
    async with kube_site.service() as service:
        await settled(await start_cluster(service, "c1"))
        scaled = await service.spawns.scale("ada", C1, Scale(1, groups={"small": 2}))
        assert scaled.scale == Scale(0, groups={"small": 2})
        await until_groups(service, kube_site, small=2)
    kube_site.data["plugins"]["dask"]["worker_groups"] = {"large": {"cores": 30}}
    async with kube_site.service() as service:
        with pytest.raises(QuotaExceededError, match="asked 41, in use 0, limit 20"):
            await start_cluster(service, "c2")


async def test_a_group_that_is_offered_no_more_goes_and_comes_back_with_its_number(kube_site, hollow_schedulers):
    configure(kube_site, GROUPS)
    async with kube_site.service() as service:
        await settled(await start_cluster(service, "c1"))
        await service.spawns.scale("ada", C1, Scale(1, groups={"spot": 2}))
        await until_groups(service, kube_site, default=1, spot=2)
    configure(kube_site, {})
    async with kube_site.service() as service:
        await until_groups(service, kube_site, default=1)
        scaled = await service.spawns.scale("ada", C1, lambda now: now.resized("default", 2))
        assert (scaled.scale.count, scaled.refusal) == (2, None)
        assert service.spawns.find("ada", C1).record.resources.cpu == 1 + 2
        await until_groups(service, kube_site, default=2)
    configure(kube_site, GROUPS)
    async with kube_site.service() as service:
        await until_groups(service, kube_site, default=2, spot=2)

"""A Dask cluster whose user's record is lost goes on: it is recorded again from its scheduler's pod."""

from __future__ import annotations

import asyncio

from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Caller, Key, Phase, Scale
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import settled, start, start_cluster

C1 = Key("dask", "c1")


async def test_a_cluster_of_a_lost_record_keeps_its_workers_and_its_image(kube_site, hollow_schedulers):
    kube_site.data["plugins"]["dask"] = {}
    async with kube_site.service() as service:
        lab = await settled(await start(service))
        caller = Caller("~default", lab.record.id, "registry.example/lab:7")
        cluster = await settled(await start_cluster(service, caller=caller))
        await service.spawns.scale("ada", C1, Scale(2))
        before = await until_workers(service, kube_site, 2)
    await kube_site.cluster.delete(kube_site.ref("Secret", "user-ada", kube_site.settings.namespaces.state))
    async with kube_site.service() as service:
        again = await settled(service.spawns.find("ada", C1))
        assert (again.record.phase, again.record.pod_uid) == (Phase.RUNNING, cluster.record.pod_uid)
        await service.spawns.scale("ada", C1, Scale(3))
        after = await until_workers(service, kube_site, 3)
        assert before.keys() < after.keys()
        assert set(after.values()) == {"registry.example/lab:7"}
        await (await service.spawns.stop("ada", C1)).until_gone()
        assert set(await kube_site.objects("Pod", "Secret")) == {"Pod/lab", "Secret/lab"}


async def until_workers(service, site, count):
    """Wait until there are so many workers that run; return their images by name."""
    async with asyncio.timeout(PATIENCE):
        with service.service_context.pods.subscribe() as changes:
            while True:
                found = [pod for pod in service.service_context.pods.within(site.namespace()) if is_worker(pod)]
                if len(found) == count and all(pod.get("status", {}).get("phase") == "Running" for pod in found):
                    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in found}
                await anext(changes)


def is_worker(pod):
    return labels.PART in pod["metadata"]["labels"]

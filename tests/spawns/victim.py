"""A service as its own process that ends itself by SIGKILL at one chosen call. Run by tests, not imported.

Its one argument is JSON: kubeconfig, the site's settings data, what to do, at which call, and
whether before or after the call is carried out. It exits 0 where it comes to the end without that call.
Renewals of its Lease are not counted, as they come by the clock. Where something stands beside what it dies in, it
first says what, in a JSON file that the argument names: the uids, by ``Kind/name``.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Key, Scale
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.service import Service
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import HUB, Site, lab, settled, start, start_cluster, stop

CLUSTER: Final = Key("dask", "c1")
SHARED: Final = ("ResourceQuota", "LimitRange", "ConfigMap", "NetworkPolicy")


async def kill(call: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def spawn(order: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in a spawn."""
    async with Site(order["data"], faulty).service() as service:
        faulty.arm(order["at"], **{order["when"]: kill})
        await settled(await start(service, "faulty"))


async def spawn_beside(order: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in a spawn, with another lab and a volume claim of the user beside it."""
    site = Site(order["data"], faulty)
    async with site.service() as service:
        await settled(await start(service, name="other"))
        await faulty.create(volume_claim(site))
        beside = await site.objects(*SHARED, "Pod")
        claim = {"PersistentVolumeClaim/home": await site.read("PersistentVolumeClaim", "home")}
        uids = {name: manifest["metadata"]["uid"] for name, manifest in (beside | claim).items()}
        Path(order["beside"]).write_text(json.dumps(uids))  # noqa: ASYNC240 - nothing waits for it
        faulty.arm(order["at"], **{order["when"]: kill})
        await settled(await start(service, "faulty"))


async def take_away(order: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in stopping a lab that runs."""
    async with Site(order["data"], faulty).service() as service:
        await settled(await start(service, "faulty"))
        faulty.arm(order["at"], **{order["when"]: kill})
        await stop(service)


async def purge(order: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in deleting the storage of a lab that runs."""
    async with Site(order["data"], faulty).service() as service:
        await settled(await start(service, "faulty"))
        faulty.arm(order["at"], **{order["when"]: kill})
        run = await service.spawns.purge("ada", lab(), identity=HUB)
        if run is not None:
            await run.until_gone()


async def make_cluster(order: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in starting a Dask cluster with two workers, beside a lab."""
    site = Site(order["data"], faulty)
    async with site.service() as service:
        await settled(await start(service, name="other"))
        faulty.arm(order["at"], **{order["when"]: kill})
        await with_workers(site, service)


async def stop_cluster(order: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in stopping a Dask cluster with two workers."""
    site = Site(order["data"], faulty)
    async with site.service() as service:
        await settled(await start(service, name="other"))
        await with_workers(site, service)
        faulty.arm(order["at"], **{order["when"]: kill})
        run = await service.spawns.stop("ada", CLUSTER)
        if run is not None:
            await run.until_gone()


async def lose_cluster(order: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in clearing up after a Dask cluster of which somebody deleted the scheduler."""
    site = Site(order["data"], faulty)
    async with site.service() as service:
        await settled(await start(service, name="other"))
        run = await with_workers(site, service)
        faulty.arm(order["at"], **{order["when"]: kill})
        await faulty.cluster.delete(site.ref("Pod", "dask-c1"))
        while not run.record.reverted:
            await run.bell.next().wait()
        await asyncio.sleep(5)  # for the last call, which nothing tells of


async def with_workers(site: Site, service: Service) -> ActiveSpawn:
    """Return a cluster once it has two workers that run."""
    run = await settled(await start_cluster(service))
    with service.service_context.pods.subscribe() as changes:
        await service.spawns.scale("ada", CLUSTER, Scale(2))
        while [worker.get("status", {}).get("phase") for worker in workers(site, service)] != ["Running"] * 2:
            await anext(changes)
    return run


def workers(site: Site, service: Service) -> list[Manifest]:
    pods = service.service_context.pods.within(site.namespace())
    return [pod for pod in pods if labels.PART in pod["metadata"]["labels"]]


async def recover(order: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in carrying on with what an earlier service left."""
    faulty.arm(order["at"], **{order["when"]: kill})
    async with Site(order["data"], faulty).service() as service:
        run = service.spawns.find("ada", lab())
        if run is not None:
            await settled(run)


def volume_claim(site: Site) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "home", "namespace": site.namespace()},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


async def main() -> None:
    answer = json.loads(sys.argv[1])
    works = {"spawn": spawn, "beside": spawn_beside, "stop": take_away, "purge": purge, "recover": recover}
    works |= {"make_cluster": make_cluster, "stop_cluster": stop_cluster, "lose_cluster": lose_cluster}
    async with await KubernetesCluster.connect(answer["kubeconfig"]) as cluster:
        await works[answer["work"]](answer, FaultyCluster(cluster))


if __name__ == "__main__":
    asyncio.run(main())

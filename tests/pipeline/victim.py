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

from spawnpenny.cluster.kubernetes import KubernetesCluster
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import HUB, Site, lab, settled, start, stop

SHARED: Final = ("ResourceQuota", "LimitRange", "ConfigMap", "NetworkPolicy")


async def die(call: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def spawn(told: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in a spawn."""
    async with Site(told["data"], faulty).service() as service:
        faulty.arm(told["at"], **{told["when"]: die})
        await settled(await start(service, "faulty"))


async def spawn_beside(told: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in a spawn, with another lab and a volume claim of the user beside it."""
    site = Site(told["data"], faulty)
    async with site.service() as service:
        await settled(await start(service, name="other"))
        await faulty.create(volume_claim(site))
        beside = await site.objects(*SHARED, "Pod")
        claim = {"PersistentVolumeClaim/home": await site.read("PersistentVolumeClaim", "home")}
        uids = {name: each["metadata"]["uid"] for name, each in (beside | claim).items()}
        Path(told["beside"]).write_text(json.dumps(uids))  # noqa: ASYNC240 - nothing waits for it
        faulty.arm(told["at"], **{told["when"]: die})
        await settled(await start(service, "faulty"))


async def take_away(told: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in stopping a lab that runs."""
    async with Site(told["data"], faulty).service() as service:
        await settled(await start(service, "faulty"))
        faulty.arm(told["at"], **{told["when"]: die})
        await stop(service)


async def purge(told: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in deleting the storage of a lab that runs."""
    async with Site(told["data"], faulty).service() as service:
        await settled(await start(service, "faulty"))
        faulty.arm(told["at"], **{told["when"]: die})
        run = await service.spawns.purge("ada", lab(), identity=HUB)
        if run is not None:
            await run.until_gone()


async def recover(told: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in carrying on with what an earlier service left."""
    faulty.arm(told["at"], **{told["when"]: die})
    async with Site(told["data"], faulty).service() as service:
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
    told = json.loads(sys.argv[1])
    works = {"spawn": spawn, "beside": spawn_beside, "stop": take_away, "purge": purge, "recover": recover}
    async with await KubernetesCluster.connect(told["kubeconfig"]) as cluster:
        await works[told["work"]](told, FaultyCluster(cluster))


if __name__ == "__main__":
    asyncio.run(main())

"""A service as its own process that ends itself by SIGKILL at one chosen call. Run by ``test_kill.py``, not imported.

Its one argument is JSON: kubeconfig, the site's settings data, what to do, at which call, and
whether before or after the call is carried out. It exits 0 where it comes to the end without that call.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

from spawnpenny.cluster.kubernetes import KubernetesCluster
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import Site, lab, settled, start, stop


async def die(call: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def spawn(told: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in a spawn."""
    async with Site(told["data"], faulty).service() as service:
        faulty.arm(told["at"], **{told["when"]: die})
        await settled(await start(service, "faulty"))


async def take_away(told: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in stopping a lab that runs."""
    async with Site(told["data"], faulty).service() as service:
        await settled(await start(service, "faulty"))
        faulty.arm(told["at"], **{told["when"]: die})
        await stop(service)


async def recover(told: dict[str, Any], faulty: FaultyCluster) -> None:
    """Die in carrying on with what an earlier service left."""
    faulty.arm(told["at"], **{told["when"]: die})
    async with Site(told["data"], faulty).service() as service:
        run = service.spawns.find("ada", lab())
        if run is not None:
            await settled(run)


async def main() -> None:
    told = json.loads(sys.argv[1])
    async with await KubernetesCluster.connect(told["kubeconfig"]) as cluster:
        await {"spawn": spawn, "stop": take_away, "recover": recover}[told["work"]](told, FaultyCluster(cluster))


if __name__ == "__main__":
    asyncio.run(main())

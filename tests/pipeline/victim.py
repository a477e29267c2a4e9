"""A service as its own process that ends itself by SIGKILL at one chosen call. Run by ``test_kill.py``, not imported.

Its one argument is JSON: kubeconfig, the site's settings data, what to do (spawn or stop), at which call, and
whether before or after the call is carried out. It exits 0 where it comes to the end without that call.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from spawnpenny.cluster.kubernetes import KubernetesCluster
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import Site, settled, start, stop


async def die(call: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    told = json.loads(sys.argv[1])
    async with await KubernetesCluster.connect(told["kubeconfig"]) as cluster:
        faulty = FaultyCluster(cluster)
        async with Site(told["data"], faulty).service() as service:
            if told["work"] == "stop":
                await settled(await start(service, "faulty"))
            faulty.arm(told["at"], **{told["when"]: die})
            if told["work"] == "stop":
                await stop(service)
            else:
                await settled(await start(service, "faulty"))


if __name__ == "__main__":
    asyncio.run(main())

"""A broker process that kills itself by SIGKILL at a chosen call. ``test_kill.py`` runs it.

Its argument is JSON: kubeconfig, the site's settings data, the number of the changing call, and whether it dies before
or after the call. Calls for the Lease and the status do not count, as their times vary. It prints ``leading`` once it
leads.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import Site


class Work(FaultyCluster):
    """A cluster that counts only the calls for broker requests."""

    async def _pass(self, call, work):
        if " Lease " in call or " broker-status " in call:
            return await work()
        return await super()._pass(call, work)


async def kill(call: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    arguments = json.loads(sys.argv[1])
    async with await KubernetesCluster.connect(arguments["kubeconfig"]) as cluster:
        faulty = Work(cluster)
        site = Site(arguments["data"], faulty)
        async with site.broker() as server:
            await server.until_leading()
            faulty.arm(arguments["at"], **{arguments["when"]: kill})
            print("leading", flush=True)  # noqa: T201 - the test waits for it
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

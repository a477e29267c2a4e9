"""A broker as its own process that ends itself by SIGKILL at one chosen call. Run by ``test_kill.py``, not imported.

Its one argument is JSON: kubeconfig, the site's settings data, at which call that changes something, and whether before
or after the call is carried out. The Lease and the status are left out, as they are written when it suits them. It says
``leading`` on its standard output when it does.
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
    """Counts only what is done for claims."""

    async def _pass(self, call, work):
        if " Lease " in call or " broker-status " in call:
            return await work()
        return await super()._pass(call, work)


async def kill(call: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    answer = json.loads(sys.argv[1])
    async with await KubernetesCluster.connect(answer["kubeconfig"]) as cluster:
        faulty = Work(cluster)
        site = Site(answer["data"], faulty)
        async with site.broker() as server:
            await server.until_leading()
            faulty.arm(answer["at"], **{answer["when"]: kill})
            print("leading", flush=True)  # noqa: T201 - the test waits for it
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

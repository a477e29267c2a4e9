"""Our side of the benchmark as a process of its own: the service on the embedded cluster, and ``spawnpenny proxy``.

Its argument is a JSON object: ``folder``, ``users``, ``light`` (the program of the light image). It prints where it is
reached, and runs until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from spawnpenny.cli.logging import configure_logs
from spawnpenny.testing.dask import dask_site

PLENTY = {"labs": 10, "cpu": 1000, "memory": "4Ti"}
LIGHT = "bench/light"


async def main(settings):
    configure_logs("json")
    dask = {"max_clusters": 10, "idle_timeout": 600, "options": {"image": {"type": "string"}}}
    async with dask_site(
        Path(settings["folder"]),
        images={LIGHT: [sys.executable, settings["light"]]},
        plugins={"quota": PLENTY, "dask": dask},
        users=settings["users"],
    ) as site:
        reached = {"address": site.address, "proxy_address": site.proxy_address, "proxy": site.proxy.pid}
        print(json.dumps(reached), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

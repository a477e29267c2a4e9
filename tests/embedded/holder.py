"""Run an embedded cluster with one pod until it is killed: ``holder.py FOLDER SECONDS``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from spawnpenny.embedded.cluster import EmbeddedCluster


async def main(folder: Path, seconds: str) -> None:
    async with EmbeddedCluster(folder, {"sh": ["sh", "-c"]}) as cluster:
        script = f"setsid sleep {seconds} & sleep {seconds} & echo up; wait"
        await cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "pod", "namespace": "default"},
                "spec": {"containers": [{"name": "main", "image": "sh", "args": [script]}]},
            }
        )
        await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

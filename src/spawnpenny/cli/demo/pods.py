"""Programs of the demo that run as pods of its embedded cluster.

So they end with the cluster, however it ends, and get nothing of the demo's own environment.
"""

from __future__ import annotations

import os
import socket
from contextlib import aclosing
from typing import TYPE_CHECKING

from spawnpenny.cli.exits import CommandError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spawnpenny.kubernetes.interface import Cluster, Manifest


async def run_pod(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    """Create objects, the last one a pod, and wait until the pod is ready.

    Raises:
        CommandError: The pod has ended instead.

    """
    pods, metadata = resource_of("Pod"), manifests[-1]["metadata"]
    namespace = metadata["namespace"]
    since = (await cluster.list(pods, namespace=namespace)).version
    for manifest in manifests:
        _ = await cluster.create(manifest)
    changes = cluster.watch(pods, since=since, namespace=namespace)
    async with aclosing(changes) as events:  # type: ignore[type-var]  # an async generator, typed as an iterator
        async for event in events:
            status = event.object.get("status") or {}
            conditions = status.get("conditions") or ()
            if any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions):
                return
            if status.get("phase") in ("Failed", "Succeeded"):
                break
    container = manifests[-1]["spec"]["containers"][0]["name"]
    log = await cluster.log(Ref(pods, metadata["name"], namespace), container=container, tail=20)
    raise CommandError(f"The demo's {metadata['name']} has ended:\n{log}")


def env_of(values: Mapping[str, str]) -> list[Manifest]:
    """Return environment variables of a container, unexpanded, with those by which it finds this spawnpenny."""
    ours = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in {**values, **ours}.items()]


def reserve_port(preferred: int) -> int:
    """Reserve the preferred port of 127.0.0.1, or a free one if that is taken (or 0), and return it.

    Until this process ends, Linux gives the port to no connection and to no program that requests any free port.
    """
    for port in (preferred, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            reserved: int = trial.getsockname()[1]
            trial.detach()  # it stays bound; a server with the same option can listen on the port
            return reserved
    raise CommandError("127.0.0.1 has no free port.")

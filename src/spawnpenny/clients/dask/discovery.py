"""The user's clusters, as ``dask cluster list``, ``scale`` and ``delete`` of dask-ctl find them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from distributed.core import Status

from spawnpenny.clients.dask.address import Place, is_known
from spawnpenny.clients.dask.cluster import SpawnpennyCluster
from spawnpenny.clients.dask.gateway_client import Gateway


class DiscoveredCluster(SpawnpennyCluster):
    """A cluster that was found by its name. dask-ctl deletes it by ``close``; a ``with`` block only lets go of it."""

    def close(self, timeout: float | None = None, shutdown: bool | None = None) -> Any:
        """End the cluster, unless ``shutdown`` is false, or it could not be connected to."""
        return super().close(timeout, shutdown=self.status == Status.running if shutdown is None else shutdown)

    def get_snippet(self) -> str:
        """Return the code that connects to it."""
        return (
            "from spawnpenny.clients.dask import SpawnpennyCluster\n\n"
            f"cluster = SpawnpennyCluster.from_name({self.name!r})\nclient = cluster.get_client()\n"
        )

    def __exit__(self, *error: object) -> None:
        super().close(shutdown=False)


async def discover() -> AsyncIterator[tuple[str, type[SpawnpennyCluster]]]:
    """Yield the name of each cluster of the user that runs, and its class; none where no service is set."""
    if not is_known():
        return
    for report in await Gateway(Place.known()).reports():
        if report.status == "RUNNING":
            yield report.name, DiscoveredCluster

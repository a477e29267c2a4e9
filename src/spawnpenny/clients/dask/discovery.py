"""Discovery of the user's clusters for dask-ctl: ``dask cluster list``, ``scale`` and ``delete``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from distributed.core import Status

from spawnpenny.clients.dask.address import ServiceAddress, is_set
from spawnpenny.clients.dask.cluster import SpawnpennyCluster
from spawnpenny.clients.dask.gateway_client import Gateway


class DiscoveredCluster(SpawnpennyCluster):
    """A discovered cluster. dask-ctl deletes it by ``close``; the end of a ``with`` block only disconnects."""

    def close(self, timeout: float | None = None, shutdown: bool | None = None) -> Any:
        """End the cluster, unless ``shutdown`` is false or the connection failed."""
        return super().close(timeout, shutdown=self.status == Status.running if shutdown is None else shutdown)

    def get_snippet(self) -> str:
        """Return Python code that connects to the cluster."""
        return (
            "from spawnpenny.clients.dask import SpawnpennyCluster\n\n"
            f"cluster = SpawnpennyCluster.from_name({self.name!r})\nclient = cluster.get_client()\n"
        )

    def __exit__(self, *error: object) -> None:
        super().close(shutdown=False)


async def discover() -> AsyncIterator[tuple[str, type[SpawnpennyCluster]]]:
    """Yield the name and class of each running cluster of the user; nothing without the URL of a service."""
    if not is_set():
        return
    for report in await Gateway(ServiceAddress.find()).reports():
        if report.status == "RUNNING":
            yield report.name, DiscoveredCluster

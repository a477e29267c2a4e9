"""Dask clusters from a lab, or from anywhere that reaches the service; with the extra ``spawnpenny[dask]``.

>>> with SpawnpennyCluster(worker_cores=2, n_workers=4) as cluster:
...     client = cluster.get_client()
...     client.submit(sum, [1, 2, 3]).result()
"""

from __future__ import annotations

from spawnpenny.clients.dask.adaptivity import Adaptivity
from spawnpenny.clients.dask.cluster import SpawnpennyCluster
from spawnpenny.clients.dask.create_mode import CreateMode
from spawnpenny.clients.dask.errors import ClusterError, ClusterWarning
from spawnpenny.clients.dask.gateway_client import Report
from spawnpenny.clients.dask.groups import WorkerGroup
from spawnpenny.clients.errors import ClientError

__all__ = [
    "Adaptivity",
    "ClientError",
    "ClusterError",
    "ClusterWarning",
    "CreateMode",
    "Report",
    "SpawnpennyCluster",
    "WorkerGroup",
]

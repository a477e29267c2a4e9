"""Errors of Dask clusters: reasons why one ends by itself, and refusals of their routes."""

from __future__ import annotations

from typing import Final

from spawnpenny.api import SpawnError, SpawnpennyError

_ANOTHER: Final = "Start another one when you need it."


class ClusterIdleError(SpawnError):
    """The Dask cluster ended because it had no work for as long as the settings allow."""

    code = "cluster_idle"
    title = "The Dask cluster had nothing to do"
    advice = _ANOTHER


class ClusterAloneError(SpawnError):
    """The Dask cluster ended because no client was connected for as long as the settings allow."""

    code = "cluster_alone"
    title = "No client was connected to the Dask cluster"
    advice = _ANOTHER


class ClusterLifetimeError(SpawnError):
    """The Dask cluster ended because it ran for as long as the settings allow."""

    code = "cluster_lifetime"
    title = "The Dask cluster ran as long as one may"
    advice = _ANOTHER


class ClusterLabGoneError(SpawnError):
    """The Dask cluster ended because the lab that requested it has ended."""

    code = "cluster_lab_gone"
    title = "The lab of the Dask cluster has ended"
    advice = "Start the lab again, and start another Dask cluster from it."


class DaskNotFoundError(SpawnpennyError):
    """The user has no Dask cluster of this name."""

    code = "dask_not_found"
    status = 404
    title = "There is no such Dask cluster"
    advice = "List your Dask clusters, and check how the name is written."

    def __init__(self, username: str, cluster: str) -> None:
        super().__init__(
            f"Cluster {cluster} not found: {username} has no Dask cluster of that name, or not any more.",
            user=username,
            cluster=cluster,
        )

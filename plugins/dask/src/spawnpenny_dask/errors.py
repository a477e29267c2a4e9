"""Reasons for which a Dask cluster ends by itself."""

from __future__ import annotations

from spawnpenny.api import SpawnError


class ClusterIdleError(SpawnError):
    """End a Dask cluster that had no work for as long as the settings allow."""

    code = "cluster_idle"
    title = "The Dask cluster had nothing to do"


class ClusterAloneError(SpawnError):
    """End a Dask cluster that no client was connected to for as long as the settings allow."""

    code = "cluster_alone"
    title = "No client was connected to the Dask cluster"


class ClusterLifetimeError(SpawnError):
    """End a Dask cluster that ran for as long as the settings allow."""

    code = "cluster_lifetime"
    title = "The Dask cluster ran as long as one may"


class ClusterLabGoneError(SpawnError):
    """The Dask cluster ended because the lab that requested it has ended."""

    code = "cluster_lab_gone"
    title = "The lab of the Dask cluster has ended"

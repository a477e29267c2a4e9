"""Reasons why a Dask cluster ends by itself."""

from __future__ import annotations

from spawnpenny.api import SpawnError


class ClusterIdleError(SpawnError):
    """The Dask cluster ended because it had no work for as long as the settings allow."""

    code = "cluster_idle"
    title = "The Dask cluster had nothing to do"


class ClusterAloneError(SpawnError):
    """The Dask cluster ended because no client was connected for as long as the settings allow."""

    code = "cluster_alone"
    title = "No client was connected to the Dask cluster"


class ClusterLifetimeError(SpawnError):
    """The Dask cluster ended because it ran for as long as the settings allow."""

    code = "cluster_lifetime"
    title = "The Dask cluster ran as long as one may"


class ClusterLabGoneError(SpawnError):
    """The Dask cluster ended because the lab that requested it has ended."""

    code = "cluster_lab_gone"
    title = "The lab of the Dask cluster has ended"

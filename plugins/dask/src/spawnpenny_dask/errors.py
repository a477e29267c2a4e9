"""Reasons why a Dask cluster ends by itself."""

from __future__ import annotations

from typing import Final

from spawnpenny.api import SpawnError

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

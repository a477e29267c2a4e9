"""Errors of the routes for Dask clusters."""

from __future__ import annotations

from spawnpenny.errors import SpawnpennyError


class DaskNotFoundError(SpawnpennyError):
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


class UnknownTicketError(SpawnpennyError):
    """A ticket for a dashboard is unknown, or was used."""

    code = "ticket_unknown"
    status = 404
    title = "The ticket is not good"
    advice = "Open the dashboard again from the cluster's page or widget, which has a new link."

    def __init__(self) -> None:
        super().__init__("The ticket is not known, or was used. The next report of the cluster has a new one.")

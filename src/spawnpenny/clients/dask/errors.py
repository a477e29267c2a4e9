"""Errors and warnings about Dask clusters."""

from __future__ import annotations

from spawnpenny.clients.errors import ClientError


class ClusterError(ClientError):
    """A Dask cluster was refused, failed, or is gone. ``str(error)`` is the service's message.

    Attributes:
        status: The HTTP status of the service's answer, if there was one.

    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ClusterWarning(UserWarning):
    """A Dask cluster differs from the request, or may not work as it should."""

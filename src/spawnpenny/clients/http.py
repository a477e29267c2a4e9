"""A client of spawnpenny's HTTP API.

>>> async with Client("http://spawnpenny:8080", token) as client:
...     await client.start_lab("ada", start=new_start(), env={"JUPYTER_TOKEN": "…"})
...     async for event in client.lab_events("ada"):
...         print(event.message)
...     lab = await client.lab("ada")
"""

from __future__ import annotations

from spawnpenny.clients.answers import (
    DEFAULT_LAB,
    UNDOING,
    Caller,
    Event,
    Group,
    Lab,
    Page,
    Reason,
    Step,
    User,
)
from spawnpenny.clients.clusters import Cluster, Clusters
from spawnpenny.clients.errors import ClientError, ProblemError, UnexpectedAnswerError, UnreachableError
from spawnpenny.clients.labs import LabRequests, new_start
from spawnpenny.clients.patience import Patience
from spawnpenny.clients.users import UserRequests

__all__ = [
    "DEFAULT_LAB",
    "UNDOING",
    "Caller",
    "Client",
    "ClientError",
    "Cluster",
    "Clusters",
    "Event",
    "Group",
    "Lab",
    "Page",
    "Patience",
    "ProblemError",
    "Reason",
    "Step",
    "UnexpectedAnswerError",
    "UnreachableError",
    "User",
    "new_start",
]


class Client(LabRequests, UserRequests):
    """A client of the service at a URL, for the holder of a token. Open it by ``async with``."""

    @property
    def clusters(self) -> Clusters:
        """Requests about Dask clusters."""
        return Clusters(self._connection())

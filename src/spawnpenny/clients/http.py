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
    read,
)
from spawnpenny.clients.clusters import Cluster, Clusters
from spawnpenny.clients.errors import ClientError, ProblemError, UnexpectedAnswerError, UnreachableError
from spawnpenny.clients.labs import LabRequests, new_start
from spawnpenny.clients.patience import Patience
from spawnpenny.clients.spawns import KindInfo, KindList, KindSpawn, Spawns
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
    "KindInfo",
    "KindSpawn",
    "Lab",
    "Page",
    "Patience",
    "ProblemError",
    "Reason",
    "Spawns",
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

    async def kinds(self) -> tuple[KindInfo, ...]:
        """Return the kinds of spawns that the service provides.

        Raises:
            ClientError: There is no answer, or a refusal.

        """
        return read(KindList, await self._answer("GET", "/v1/kinds")).kinds

    def spawns(self, kind: KindInfo) -> Spawns:
        """Return the requests about spawns of a kind."""
        return Spawns(self._connection(), kind)

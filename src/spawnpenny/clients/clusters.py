"""Dask clusters by the REST API: listed, looked at, followed and stopped, as an operator or their owner does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote

from spawnpenny.clients.answers import Event, Reason, Step, known, read, reason_of
from spawnpenny.clients.connection import Connection
from spawnpenny.clients.errors import UnexpectedAnswerError
from spawnpenny.clients.streams import follow
from spawnpenny.clients.waiting import SLACK, pages, until_gone

PHASES: Final = (
    *("requested", "pending", "running", "stopping", "undoing", "failed", "exited"),
    "stopped",  # dask-gateway's word for those that ended as they were set to
)
"""What clusters are listed by."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The number of workers of a cluster: ``count`` or, if ``adaptive``, by its work within the bounds."""

    count: int
    minimum: int = 0
    maximum: int | None = None
    adaptive: bool = False


@dataclass(frozen=True, slots=True)
class Workers:
    running: int
    pending: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The cause of a delay: a sentence, and a stable code if something is wrong."""

    message: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker of a cluster; ``since`` is when it came to be in its phase, in seconds since the epoch."""

    name: str
    phase: str
    since: float
    group: str = "default"
    node: str | None = None
    waiting_for: Waiting | None = None
    reason: Reason | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return known(cls, {**data, "waiting_for": _waiting(data), "reason": reason_of(data)})


@dataclass(frozen=True, slots=True)
class WorkerList:
    """The workers of a cluster: those that there are, by name, then the last ones that ended.

    ``missing`` counts those for which there is no pod yet, ``waiting_for`` says why, where that is known, and
    ``retry_at`` when it is tried again, in seconds since the epoch.
    """

    workers: tuple[Worker, ...]
    missing: int
    waiting_for: Waiting | None = None
    retry_at: float | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        missing = data["missing"]
        workers = tuple(Worker.from_json(worker) for worker in data["workers"])
        return cls(workers, missing["count"], _waiting(missing), missing["retry_at"])


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Dask cluster; times are seconds since the epoch.

    ``groups`` has ``desired``, ``running`` and ``pending`` of each group of workers. ``resources`` has the ``cpu`` and
    ``memory`` that it counts against the user's quota, as Kubernetes writes them. ``waiting_for`` is what keeps most of
    its pods that do not run from running; ``idle_since`` is None where it is at work, or not idle for a minute yet.
    """

    user: str
    cluster: str
    spawn: str
    phase: str
    url: str | None
    reason: Reason | None
    steps: tuple[Step, ...]
    requested_at: float
    deadline: float
    ended_at: float | None
    scale: Scale
    workers: Workers
    options: Mapping[str, Any]
    lab: str | None = None
    progress: int = 0
    groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    waiting_for: Waiting | None = None
    idle_since: float | None = None
    grace: float = 0

    @property
    def desired(self) -> int:
        """The number of workers that all groups together are to have."""
        return sum(group["desired"] for group in self.groups.values()) if self.groups else self.scale.count

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        parts = {
            "steps": tuple(known(Step, step) for step in data["steps"]),
            "reason": reason_of(data),
            "scale": known(Scale, data["scale"]),
            "workers": known(Workers, data["workers"]),
            "waiting_for": _waiting(data),
        }
        return known(cls, {**data, **parts})


@dataclass(frozen=True, slots=True)
class ClustersPage:
    """Some of all clusters. ``next`` is where the next page begins, None on the last one.

    ``unknown`` names users whose record cannot be read: their clusters may run, and are not listed.
    """

    clusters: tuple[Cluster, ...]
    next: str | None
    unknown: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        clusters = tuple(Cluster.from_json(cluster) for cluster in data["clusters"])
        return cls(clusters, data.get("next"), tuple(data.get("unknown", ())))


class Clusters:
    """Dask clusters of one service, over the connection of a client."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pages(self, *, limit: int = 100, phases: Collection[str] = ()) -> AsyncIterator[ClustersPage]:
        """Yield all clusters, or those of some phases, a page at a time, by user and name."""

        async def ask(query: Mapping[str, str]) -> ClustersPage:
            return read(ClustersPage, await self._have("/v1/dask", {**query, **_status(phases)}))

        return pages(ask, limit=limit)

    async def of(self, user: str, *, phases: Collection[str] = ()) -> tuple[Cluster, ...]:
        """Return a user's clusters, or those of some phases, by name."""
        answer = await self._have(f"/v1/users/{quote(user, safe='')}/dask", _status(phases))
        return read(ClustersPage, answer).clusters

    async def get(self, user: str, name: str) -> Cluster:
        """Return a cluster.

        Raises:
            ProblemError: With the code ``dask_not_found``, and only with it, there is none.
            ClientError: It is not known.

        """
        return read(Cluster, await self._have(_cluster(user, name)))

    async def workers(self, user: str, name: str) -> WorkerList:
        """Return the workers of a cluster.

        Raises:
            ClientError: They are not known.

        """
        return read(WorkerList, await self._have(f"{_cluster(user, name)}/workers"))

    async def stop(self, user: str, name: str, *, wait: float = 0) -> Cluster | None:
        """Stop a cluster; return None once it is gone, or the cluster where that takes longer than ``wait`` seconds.

        Raises:
            ClientError: It was not accepted.

        """

        async def ask(part: float) -> Cluster | None:
            query = {"wait": f"{part:.3f}"}
            answer = await self._connection.ask("DELETE", _cluster(user, name), query=query, within=part + SLACK)
            return None if answer is None else read(Cluster, answer)

        return await until_gone(ask, wait)

    async def scale(self, user: str, name: str, count: int, *, group: str | None = None) -> str | None:
        """Scale a cluster to so many workers; return None, or the sentence that says what of it does not fit.

        Raises:
            ClientError: It was not accepted.

        """
        body: dict[str, Any] = {"count": count} | ({"group": group} if group else {})
        return await self._change(f"{_cluster(user, name)}/scale", body)

    async def adapt(self, user: str, name: str, minimum: int = 0, maximum: int | None = None) -> str | None:
        """Scale a cluster with its work; return what ``scale`` does."""
        return await self._change(f"{_cluster(user, name)}/adapt", {"minimum": minimum, "maximum": maximum})

    def events(
        self, user: str, name: str, *, after: str | None = None, follow_on: bool = False
    ) -> AsyncGenerator[Event]:
        """Yield what happens to a cluster, each event once, until it runs, has failed or is gone.

        ``follow_on``: it goes on while the cluster runs.
        """
        query = {"follow": "true"} if follow_on else {}
        return follow(self._connection, f"{_cluster(user, name)}/events", after=after, query=query)

    async def _change(self, path: str, body: Mapping[str, Any]) -> str | None:
        answer = await self._connection.ask("POST", path, body=body)
        if answer is None or not isinstance(message := answer.get("msg"), str | None):
            raise UnexpectedAnswerError("The answer is not one of spawnpenny: is this its URL?")
        return message

    async def _have(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        answer = await self._connection.ask("GET", path, query=query or {})
        if answer is None:
            raise UnexpectedAnswerError("The answer is empty, and not as spawnpenny answers.")
        return answer


def _waiting(data: Mapping[str, Any]) -> Waiting | None:
    return known(Waiting, data["waiting_for"]) if data.get("waiting_for") else None


def _cluster(user: str, name: str) -> str:
    return f"/v1/users/{quote(user, safe='')}/dask/{quote(name, safe='')}"


def _status(phases: Collection[str]) -> dict[str, str]:
    return {"status": ",".join(phases)} if phases else {}

"""Requests about Dask clusters by the REST API: list, read, follow, scale and stop them."""

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
    *("requested", "pending", "running", "stopping", "undoing", "failed", "exited", "succeeded"),
    "stopped",  # dask-gateway's word for clusters that ended as planned
)
"""The phases by which clusters can be listed."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The desired number of workers: ``count``, or within the bounds if ``adaptive``."""

    count: int
    minimum: int = 0
    maximum: int | None = None
    adaptive: bool = False


@dataclass(frozen=True, slots=True)
class Workers:
    """The number of workers by state."""

    running: int
    pending: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The cause of a delay: a sentence, and a stable code if something is wrong."""

    message: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker of a cluster; ``since`` is the start of its phase, in seconds since the epoch."""

    name: str
    phase: str
    since: float
    group: str = "default"
    node: str | None = None
    waiting_for: Waiting | None = None
    reason: Reason | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return a worker from the JSON of an answer."""
        return known(cls, {**data, "waiting_for": _waiting(data), "reason": reason_of(data)})


@dataclass(frozen=True, slots=True)
class WorkerList:
    """The workers of a cluster.

    Attributes:
        workers: The existing workers, by name, then the last ones that ended.
        missing: The number of workers that have no pod yet.
        waiting_for: Why they have no pod, if that is known.
        retry_at: The time of the next attempt, in seconds since the epoch.

    """

    workers: tuple[Worker, ...]
    missing: int
    waiting_for: Waiting | None = None
    retry_at: float | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return a list of workers from the JSON of an answer."""
        missing = data["missing"]
        workers = tuple(Worker.from_json(worker) for worker in data["workers"])
        return cls(workers, missing["count"], _waiting(missing), missing["retry_at"])


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Dask cluster. Times are seconds since the epoch.

    ``groups`` has the ``desired``, ``running`` and ``pending`` workers of each worker group. ``resources`` has the
    ``cpu`` and ``memory`` that count against the user's quota, as Kubernetes writes them. ``waiting_for`` is the cause
    that delays most of the pods that do not run. ``idle_since`` is None unless the cluster is idle for a minute.
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
        """The desired number of workers of all groups together."""
        return sum(group["desired"] for group in self.groups.values()) if self.groups else self.scale.count

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return a cluster from the JSON of an answer."""
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
    """One page of clusters.

    Attributes:
        clusters: The clusters, by user and name.
        next: The cursor of the next page; None on the last one.
        unknown: Users whose records cannot be read. Their clusters are not listed, but may run.

    """

    clusters: tuple[Cluster, ...]
    next: str | None
    unknown: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return a page of clusters from the JSON of an answer."""
        clusters = tuple(Cluster.from_json(cluster) for cluster in data["clusters"])
        return cls(clusters, data.get("next"), tuple(data.get("unknown", ())))


class Clusters:
    """Requests about the Dask clusters of one service."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pages(self, *, limit: int = 100, phases: Collection[str] = ()) -> AsyncIterator[ClustersPage]:
        """Yield all clusters, or those in some phases, one page at a time, by user and name."""

        async def send(query: Mapping[str, str]) -> ClustersPage:
            return read(ClustersPage, await self._answer("/v1/dask", {**query, **_status(phases)}))

        return pages(send, limit=limit)

    async def of(self, user: str, *, phases: Collection[str] = ()) -> tuple[Cluster, ...]:
        """Return the clusters of a user, or those in some phases, by name."""
        answer = await self._answer(f"/v1/users/{quote(user, safe='')}/dask", _status(phases))
        return read(ClustersPage, answer).clusters

    async def get(self, user: str, name: str) -> Cluster:
        """Return a cluster.

        Raises:
            ProblemError: With the code ``dask_not_found``, and only then, the cluster does not exist.
            ClientError: There is no answer, or another refusal.

        """
        return read(Cluster, await self._answer(_cluster(user, name)))

    async def workers(self, user: str, name: str) -> WorkerList:
        """Return the workers of a cluster.

        Raises:
            ClientError: There is no answer, or a refusal.

        """
        return read(WorkerList, await self._answer(f"{_cluster(user, name)}/workers"))

    async def stop(self, user: str, name: str, *, wait: float = 0) -> Cluster | None:
        """Stop a cluster. Return None once it is gone, or the cluster if that takes longer than ``wait`` seconds.

        Raises:
            ClientError: There is no answer, or a refusal.

        """

        async def send(part: float) -> Cluster | None:
            query = {"wait": f"{part:.3f}"}
            answer = await self._connection.ask("DELETE", _cluster(user, name), query=query, within=part + SLACK)
            return None if answer is None else read(Cluster, answer)

        return await until_gone(send, wait)

    async def scale(self, user: str, name: str, count: int, *, group: str | None = None) -> str | None:
        """Scale a cluster to a number of workers; return None, or a sentence that says what does not fit.

        Raises:
            ClientError: There is no answer, or a refusal.

        """
        body: dict[str, Any] = {"count": count} | ({"group": group} if group else {})
        return await self._change(f"{_cluster(user, name)}/scale", body)

    async def adapt(self, user: str, name: str, minimum: int = 0, maximum: int | None = None) -> str | None:
        """Scale a cluster by its work; return the same as ``scale``."""
        return await self._change(f"{_cluster(user, name)}/adapt", {"minimum": minimum, "maximum": maximum})

    def events(
        self, user: str, name: str, *, after: str | None = None, follow_on: bool = False
    ) -> AsyncGenerator[Event]:
        """Yield the events of a cluster, each once, until it runs, has failed or is gone.

        With ``follow_on``, continue while the cluster runs.
        """
        query = {"follow": "true"} if follow_on else {}
        return follow(self._connection, f"{_cluster(user, name)}/events", after=after, query=query)

    async def _change(self, path: str, body: Mapping[str, Any]) -> str | None:
        answer = await self._connection.ask("POST", path, body=body)
        if answer is None or not isinstance(message := answer.get("msg"), str | None):
            raise UnexpectedAnswerError("The answer is not from spawnpenny: is this its URL?")
        return message

    async def _answer(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        answer = await self._connection.ask("GET", path, query=query or {})
        if answer is None:
            raise UnexpectedAnswerError("The answer is empty, so it is not from spawnpenny.")
        return answer


def _waiting(data: Mapping[str, Any]) -> Waiting | None:
    return known(Waiting, data["waiting_for"]) if data.get("waiting_for") else None


def _cluster(user: str, name: str) -> str:
    return f"/v1/users/{quote(user, safe='')}/dask/{quote(name, safe='')}"


def _status(phases: Collection[str]) -> dict[str, str]:
    return {"status": ",".join(phases)} if phases else {}

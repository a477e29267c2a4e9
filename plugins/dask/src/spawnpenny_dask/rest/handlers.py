"""Handlers of the REST API for Dask clusters: read, follow and stop them, and use up tickets of dashboards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web
from marshmallow import ValidationError, fields

from spawnpenny.api import Phase
from spawnpenny.api.http import (
    MAX_WAIT,
    EventsQuerySchema,
    NoQuerySchema,
    PagedQuerySchema,
    PageQuery,
    QuerySchema,
    QuerySecondsField,
    paced,
    query_of,
    user_of,
)
from spawnpenny_dask.gateway.reports import Status, status_of
from spawnpenny_dask.gateway.schemas import one_or_more
from spawnpenny_dask.kind import DASK
from spawnpenny_dask.rest.cluster_workers import list_workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from spawnpenny.api.http import Reason, SpawnState
    from spawnpenny_dask.rest.clusters import Clusters


@dataclass(frozen=True, slots=True)
class StopClusterQuery:
    wait: float = 0


class StopClusterQuerySchema(QuerySchema[StopClusterQuery]):
    model: ClassVar[type] = StopClusterQuery
    wait = QuerySecondsField(
        0, MAX_WAIT, metadata={"description": "Answer when the cluster is gone, or after so many seconds."}
    )


@dataclass(frozen=True, slots=True)
class UserClustersQuery:
    status: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ClustersPageQuery(PageQuery):
    status: frozenset[str] | None = None


def is_of(phase: Phase, reason: Reason | None, status: frozenset[str] | None) -> bool:
    """Return whether a cluster has one of these statuses; None: any."""
    return status is None or not status.isdisjoint({phase, status_of(phase, reason).lower()})


class PhasesField(fields.Field[frozenset[str]]):
    """Phases, and statuses of dask-gateway, in any case, separated by commas."""

    names: ClassVar = tuple(dict.fromkeys((*Phase, *(status.lower() for status in Status))))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> frozenset[str]:
        desired = frozenset(name.strip().lower() for name in value.split(","))
        if not desired <= set(self.names):
            raise ValidationError(f"has to be some of {', '.join(self.names)}, separated by commas.")
        return desired


def _phases_field() -> PhasesField:
    return PhasesField(
        metadata={
            "type": "string",
            "pattern": one_or_more(PhasesField.names),
            "description": "Only clusters in these phases, in any case, separated by commas. `stopped`: those that "
            "ended as the settings have it, such as idle ones.",
        }
    )


class UserClustersQuerySchema(QuerySchema[UserClustersQuery]):
    model: ClassVar[type] = UserClustersQuery
    status = _phases_field()


class ClustersPageQuerySchema(PagedQuerySchema[ClustersPageQuery]):
    model: ClassVar[type] = ClustersPageQuery
    status = _phases_field()


class ClusterHandlers:
    """The handlers of the REST API."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters

    async def get(self, request: web.Request) -> web.Response:
        query_of(request, NoQuerySchema())
        return web.json_response(self._view(request, self._clusters.find(request)))

    async def list_of_user(self, request: web.Request) -> web.Response:
        query = query_of(request, UserClustersQuerySchema())
        view = self._clusters.viewer(request, user_of(request))
        spawns = self._clusters.spawns.list_of_user(request, DASK)
        return web.json_response(
            {"clusters": [view(spawn) for spawn in spawns if is_of(spawn.phase, spawn.reason, query.status)]}
        )

    async def list_all(self, request: web.Request) -> web.Response:
        """List the clusters of all users. Read the pods of a user once, however many clusters the user has."""
        query = query_of(request, ClustersPageQuerySchema())
        page = await self._clusters.spawns.list_all(
            request, DASK, query, where=lambda phase, reason: is_of(phase, reason, query.status)
        )
        views: dict[str, Callable[[SpawnState], dict[str, Any]]] = {}
        clusters = []
        async for spawn in paced(page.spawns):
            view = views.get(spawn.username)
            if view is None:
                view = views[spawn.username] = self._clusters.viewer(request, spawn.username)
            clusters.append(view(spawn))
        return web.json_response({"clusters": clusters, "next": page.next, "unknown": page.unknown})

    async def stop(self, request: web.Request) -> web.Response:
        query, spawns = query_of(request, StopClusterQuerySchema()), self._clusters.spawns
        spawn = await spawns.stop(request, self._clusters.key_of(request))
        return await spawns.answer_stop(request, spawn, query.wait, lambda spawn: self._view(request, spawn))

    async def events(self, request: web.Request) -> web.StreamResponse:
        query = query_of(request, EventsQuerySchema())
        return await self._clusters.spawns.answer_events(request, self._clusters.find(request), query)

    async def workers(self, request: web.Request) -> web.Response:
        return await list_workers(request, self._clusters)

    async def redeem_ticket(self, request: web.Request) -> web.Response:
        return await self._clusters.spawns.redeem_ticket(request, self._clusters.key_of(request))

    def _view(self, request: web.Request, spawn: SpawnState) -> dict[str, Any]:
        return self._clusters.viewer(request, user_of(request))(spawn)

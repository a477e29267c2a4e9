"""Handlers of the REST API for Dask clusters: read, follow and stop them, and use up dashboard tickets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web
from marshmallow import ValidationError, fields, validate

from spawnpenny.aio.pacing import paced
from spawnpenny.dask.errors import DaskNotFoundError, UnknownTicketError
from spawnpenny.dask.gateway.schemas import one_or_more
from spawnpenny.dask.gateway.status import Status, status_of
from spawnpenny.dask.rest_schemas import dask_view
from spawnpenny.dask.tickets import TICKETS
from spawnpenny.dask.workers import waiting_of, workers_of
from spawnpenny.domain.names import is_own_cluster_name, own_cluster_name
from spawnpenny.domain.spawns import Key, Kind, Phase
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.events import stream
from spawnpenny.web.request_parsing import body_of, cluster_of, query_of, user_of
from spawnpenny.web.schemas.requests import (
    MAX_WAIT,
    BodySchema,
    EventsQuerySchema,
    NoQuerySchema,
    PagedQuerySchema,
    PageQuery,
    QuerySchema,
    QuerySecondsField,
    wordings,
)
from spawnpenny.web.spawns import answer_stop, find_spawn, page_of_spawns, spawns_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from spawnpenny.service import Service
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.spawn_record import SpawnRecord


@dataclass(frozen=True, slots=True)
class StopClusterQuery:
    wait: float = 0


class StopClusterQuerySchema(QuerySchema[StopClusterQuery]):
    model: ClassVar[type] = StopClusterQuery
    wait = QuerySecondsField(0, MAX_WAIT, metadata={"description": "Answer when it is gone, or after so long."})


@dataclass(frozen=True, slots=True)
class UserClustersQuery:
    status: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ClustersPageQuery(PageQuery):
    status: frozenset[str] | None = None


def is_of(record: SpawnRecord, status: frozenset[str] | None) -> bool:
    """Return whether a cluster is in one of the phases, if any are given."""
    return status is None or not status.isdisjoint({record.phase, status_of(record).lower()})


class PhasesField(fields.Field[frozenset[str]]):
    """Phases, and what dask-gateway calls a status, in any case, with commas."""

    names: ClassVar = tuple(dict.fromkeys((*Phase, *(status.lower() for status in Status))))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> frozenset[str]:
        desired = frozenset(name.strip().lower() for name in value.split(","))
        if not desired <= set(self.names):
            raise ValidationError(f"has to be of {', '.join(self.names)}, with commas.")
        return desired


def _phases_field() -> PhasesField:
    return PhasesField(
        metadata={
            "type": "string",
            "pattern": one_or_more(PhasesField.names),
            "description": "Only those of these phases, in any case, with commas. `stopped` are those that ended as "
            "they were set to, such as idle ones.",
        }
    )


class UserClustersQuerySchema(QuerySchema[UserClustersQuery]):
    model: ClassVar[type] = UserClustersQuery
    status = _phases_field()


class ClustersPageQuerySchema(PagedQuerySchema[ClustersPageQuery]):
    model: ClassVar[type] = ClustersPageQuery
    status = _phases_field()


@dataclass(frozen=True, slots=True)
class Ticket:
    ticket: str = field(repr=False)


class TicketBody(BodySchema[Ticket]):
    """A one-time ticket, as a dashboard's link has it."""

    model: ClassVar[type] = Ticket
    example: ClassVar[dict[str, Any]] = {"ticket": "what stands in the link"}
    ticket = fields.String(
        required=True,
        validate=validate.Length(1, 128, error="has to be a ticket, a text."),
        error_messages=wordings("a ticket, a text"),
    )


async def get_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    return web.json_response(_view(request, find_cluster(request)))


async def list_clusters_of_user(request: web.Request) -> web.Response:
    query = query_of(request, UserClustersQuerySchema())
    username = user_of(request)
    view = _viewer(request.app[SERVICE], username)
    runs = [run for run in spawns_of(request, username, Kind.DASK) if is_of(run.record, query.status)]
    return web.json_response({"clusters": [view(run) for run in runs]})


async def list_clusters(request: web.Request) -> web.Response:
    """List the clusters of all users; the pods of a user are looked at once, however many clusters they have."""
    query = query_of(request, ClustersPageQuerySchema())
    service = request.app[SERVICE]
    page, following = await page_of_spawns(request, Kind.DASK, query, where=lambda record: is_of(record, query.status))
    views: dict[str, Callable[[ActiveSpawn], dict[str, Any]]] = {}
    clusters = []
    async for user_state, run in paced(page):
        view = views.get(user_state.username) or views.setdefault(
            user_state.username, _viewer(service, user_state.username)
        )
        clusters.append(view(run))
    return web.json_response({"clusters": clusters, "next": following, "unknown": service.spawns.unknown()})


async def stop_cluster(request: web.Request) -> web.Response:
    query = query_of(request, StopClusterQuerySchema())
    username = user_of(request)
    run = await request.app[SERVICE].spawns.stop(username, key_of(request))
    return await answer_stop(request, username, run, query.wait, lambda run: _view(request, run))


async def cluster_events(request: web.Request) -> web.StreamResponse:
    query = query_of(request, EventsQuerySchema())
    return await stream(request, find_cluster(request), query)


async def redeem_ticket(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    asked = await body_of(request, TicketBody())
    run = find_spawn(request, user_of(request), key_of(request))
    if (
        run is None
        or not request.app[TICKETS].use(run.record.id, asked.ticket)
        or run.record.phase is not Phase.RUNNING
    ):
        raise UnknownTicketError
    return web.json_response({"uid": run.record.pod_uid})


def key_of(request: web.Request) -> Key:
    """Return the key of the Dask cluster of the path, which may have it by the name that its user gave it.

    Raises:
        InvalidNameError: Its name may not be used.

    """
    username, key = user_of(request), Key(Kind.DASK, cluster_of(request))
    if not is_own_cluster_name(key.name):
        return key
    own = Key(Kind.DASK, own_cluster_name(username, key.name))
    user_state = request.app[SERVICE].spawns.user_state(username)
    return own if user_state is not None and key not in user_state.runs and own in user_state.runs else key


def find_cluster(request: web.Request) -> ActiveSpawn:
    """Return the Dask cluster of the path, of the user whom the request is about.

    Raises:
        DaskNotFoundError: There is none.

    """
    username, key = user_of(request), key_of(request)
    run = find_spawn(request, username, key)
    if run is None:
        raise DaskNotFoundError(username, key.name)
    return run


def _view(request: web.Request, run: ActiveSpawn) -> dict[str, Any]:
    return _viewer(request.app[SERVICE], user_of(request))(run)


def _viewer(service: Service, username: str) -> Callable[[ActiveSpawn], dict[str, Any]]:
    """Return what makes the view of each cluster of a user, from the user's pods as they are now."""
    workers, waiting = workers_of(service, username), waiting_of(service, username)
    groups = service.plugins.worker_groups()
    return lambda run: dask_view(username, run, workers[run.record.id], groups, waiting.get(run.record.id))

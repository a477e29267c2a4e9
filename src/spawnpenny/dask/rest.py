"""Handlers of the REST API for Dask clusters: read, follow and stop them, and redeem dashboard tickets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web
from marshmallow import ValidationError, fields, validate

from spawnpenny.aio.pacing import paced
from spawnpenny.dask.errors import DaskNotFoundError, UnknownTicketError
from spawnpenny.dask.gateway.reports import Status, status_of
from spawnpenny.dask.gateway.schemas import one_or_more
from spawnpenny.dask.kind import DASK
from spawnpenny.dask.rest_schemas import dask_view
from spawnpenny.dask.tickets import TICKETS
from spawnpenny.dask.workers import waiting_of, workers_of
from spawnpenny.domain.names import is_own_cluster_name, own_cluster_name
from spawnpenny.domain.spawns import Key, Phase
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.events import stream
from spawnpenny.web.request_parsing import body_of, cluster_of, query_of, user_of
from spawnpenny.web.schemas.fields import MAX_WAIT, QuerySecondsField
from spawnpenny.web.schemas.incoming import BodySchema, QuerySchema, field_messages
from spawnpenny.web.schemas.queries import EventsQuerySchema, NoQuerySchema, PagedQuerySchema, PageQuery
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
    wait = QuerySecondsField(
        0, MAX_WAIT, metadata={"description": "Answer when the cluster is gone, or after so many seconds."}
    )


@dataclass(frozen=True, slots=True)
class UserClustersQuery:
    status: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ClustersPageQuery(PageQuery):
    status: frozenset[str] | None = None


def is_of(record: SpawnRecord, status: frozenset[str] | None) -> bool:
    """Return whether a cluster has one of these statuses; None: any."""
    return status is None or not status.isdisjoint({record.phase, status_of(record).lower()})


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


@dataclass(frozen=True, slots=True)
class Ticket:
    ticket: str = field(repr=False)


class TicketBody(BodySchema[Ticket]):
    """The one-time ticket of a link to a dashboard."""

    model: ClassVar[type] = Ticket
    example: ClassVar[dict[str, Any]] = {"ticket": "the part of the link after the cluster"}
    ticket = fields.String(
        required=True,
        validate=validate.Length(1, 128, error="has to be a ticket, a text."),
        error_messages=field_messages("a ticket, a text"),
    )


async def get_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    return web.json_response(_view(request, find_cluster(request)))


async def list_clusters_of_user(request: web.Request) -> web.Response:
    query = query_of(request, UserClustersQuerySchema())
    username = user_of(request)
    view = _viewer(request.app[SERVICE], username)
    runs = [run for run in spawns_of(request, username, DASK) if is_of(run.record, query.status)]
    return web.json_response({"clusters": [view(run) for run in runs]})


async def list_clusters(request: web.Request) -> web.Response:
    """List the clusters of all users. Read the pods of a user once, however many clusters the user has."""
    query = query_of(request, ClustersPageQuerySchema())
    service = request.app[SERVICE]
    page, following = await page_of_spawns(request, DASK, query, where=lambda record: is_of(record, query.status))
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
    body = await body_of(request, TicketBody())
    run = find_spawn(request, user_of(request), key_of(request))
    if run is None or not request.app[TICKETS].use(run.record.id, body.ticket) or run.record.phase is not Phase.RUNNING:
        raise UnknownTicketError
    return web.json_response({"uid": run.record.pod_uid})


def key_of(request: web.Request) -> Key:
    """Return the key of the Dask cluster in the path. The path may have the name that the user chose.

    Raises:
        InvalidNameError: No cluster can have that name.

    """
    username, key = user_of(request), Key(DASK, cluster_of(request))
    if not is_own_cluster_name(key.name):
        return key
    own = Key(DASK, own_cluster_name(username, key.name))
    user_state = request.app[SERVICE].spawns.user_state(username)
    return own if user_state is not None and key not in user_state.runs and own in user_state.runs else key


def find_cluster(request: web.Request) -> ActiveSpawn:
    """Return the Dask cluster in the path, of the user in the path or else of the caller.

    Raises:
        DaskNotFoundError: The user has no such cluster.

    """
    username, key = user_of(request), key_of(request)
    run = find_spawn(request, username, key)
    if run is None:
        raise DaskNotFoundError(username, key.name)
    return run


def _view(request: web.Request, run: ActiveSpawn) -> dict[str, Any]:
    return _viewer(request.app[SERVICE], user_of(request))(run)


def _viewer(service: Service, username: str) -> Callable[[ActiveSpawn], dict[str, Any]]:
    """Return a function that makes the views of a user's clusters from the user's present pods."""
    workers, waiting = workers_of(service, username), waiting_of(service, username)
    groups = service.plugins.worker_groups()
    return lambda run: dask_view(username, run, workers[run.record.id], groups, waiting.get(run.record.id))

"""Dask clusters of users: looked at, followed, stopped, and the tickets of their dashboards used up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web
from marshmallow import fields, validate

from spawnpenny.domain.spawns import Key, Kind, Phase
from spawnpenny.errors import DaskNotFoundError, UnknownTicketError
from spawnpenny.web.events import stream
from spawnpenny.web.intake import body_of, cluster_of, query_of, user_of
from spawnpenny.web.keys import SERVICE, TICKETS
from spawnpenny.web.requests import (
    MAX_WAIT,
    BodySchema,
    EventsQuerySchema,
    NoQuerySchema,
    QuerySchema,
    QuerySecondsField,
    wordings,
)
from spawnpenny.web.runs import run_of, runs_of, stopping
from spawnpenny.web.views import dask_view
from spawnpenny.web.workers import workers_of

if TYPE_CHECKING:
    from spawnpenny.pipeline.account import Run


@dataclass(frozen=True, slots=True)
class StopClusterQuery:
    wait: float = 0


class StopClusterQuerySchema(QuerySchema[StopClusterQuery]):
    makes: ClassVar[type] = StopClusterQuery
    wait = QuerySecondsField(0, MAX_WAIT, metadata={"description": "Answer when it is gone, or after so long."})


@dataclass(frozen=True, slots=True)
class Ticket:
    ticket: str = field(repr=False)


class TicketBody(BodySchema[Ticket]):
    """A one-time ticket, as a dashboard's link has it."""

    makes: ClassVar[type] = Ticket
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
    query_of(request, NoQuerySchema())
    username = user_of(request)
    workers = workers_of(request.app[SERVICE], username)
    runs = runs_of(request, username, Kind.DASK)
    return web.json_response({"clusters": [dask_view(username, run, workers[run.record.id]) for run in runs]})


async def stop_cluster(request: web.Request) -> web.Response:
    query = query_of(request, StopClusterQuerySchema())
    username = user_of(request)
    run = await request.app[SERVICE].spawns.stop(username, key_of(request))
    return await stopping(request, username, run, query.wait, lambda run: _view(request, run))


async def cluster_events(request: web.Request) -> web.StreamResponse:
    query = query_of(request, EventsQuerySchema())
    return await stream(request, find_cluster(request), query.last_event_id)


async def redeem_ticket(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    asked = await body_of(request, TicketBody())
    run = run_of(request, user_of(request), key_of(request))
    if (
        run is None
        or not request.app[TICKETS].use(run.record.id, asked.ticket)
        or run.record.phase is not Phase.RUNNING
    ):
        raise UnknownTicketError
    return web.json_response({"uid": run.record.pod})


def key_of(request: web.Request) -> Key:
    """Return the key of the Dask cluster of the path.

    Raises:
        InvalidNameError: Its name may not be used.

    """
    return Key(Kind.DASK, cluster_of(request))


def find_cluster(request: web.Request) -> Run:
    """Return the Dask cluster of the path, of the user whom the request is about.

    Raises:
        DaskNotFoundError: There is none.

    """
    username, key = user_of(request), key_of(request)
    run = run_of(request, username, key)
    if run is None:
        raise DaskNotFoundError(username, key.name)
    return run


def _view(request: web.Request, run: Run) -> dict[str, Any]:
    username = user_of(request)
    return dask_view(username, run, workers_of(request.app[SERVICE], username)[run.record.id])

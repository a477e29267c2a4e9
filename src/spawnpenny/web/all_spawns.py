"""Spawns of all kinds, also of kinds whose plugin is not loaded: list, read, follow and stop them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiohttp import web
from marshmallow import Schema, fields, validate

from spawnpenny.domain.spawns import KIND_NAME
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.errors import SpawnNotFoundError
from spawnpenny.web.events import stream
from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_parsing import key_of, query_of, username_of
from spawnpenny.web.route import CHANGE_REFUSED, NO_MORE_EVENTS, USER_PATH, Answer, route
from spawnpenny.web.schemas.incoming import QuerySchema
from spawnpenny.web.schemas.queries import EventsQuerySchema, NoQuerySchema, PagedQuerySchema, PageQuery
from spawnpenny.web.schemas.responses import SpawnView, described, grace_field, next_field, spawn_view, unknown_field
from spawnpenny.web.schemas.spawns import StopQuerySchema, phases_field
from spawnpenny.web.spawns import answer_stop, find_spawn, page_of_spawns, spawns_of

if TYPE_CHECKING:
    from spawnpenny.service import Service
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.spawn_record import SpawnRecord

_PATH: Final = f"{USER_PATH}/spawns/{{kind}}/{{name}}"
_UNKNOWN: Final = {404: ("spawn_not_found",)}


class AnySpawnView(SpawnView):
    """A spawn of any kind."""

    kind = fields.String(required=True)
    name = fields.String(required=True)
    loaded = fields.Boolean(
        required=True,
        metadata=described("Whether the plugin of its kind is loaded. If not, its phase is the last known one."),
    )
    start = fields.String(required=True, metadata=described("The id of the start, as the caller sent it."))
    by = fields.String(required=True, metadata=described("The identity that started it; empty if unknown."))
    client = fields.String(required=True, allow_none=True, metadata=described("The name of the caller's program."))


class StoppingAnySpawnView(AnySpawnView):
    """A spawn of any kind that is being stopped."""

    grace = grace_field()


class AllSpawnsOfUserView(Schema):
    spawns = fields.List(fields.Nested(AnySpawnView), required=True)


class AllSpawnsView(AllSpawnsOfUserView):
    next = next_field()
    unknown_ = unknown_field("spawns")


@dataclass(frozen=True, slots=True)
class SpawnsQuery:
    kind: str | None = None
    status: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class SpawnsPageQuery(PageQuery):
    kind: str | None = None
    status: frozenset[str] | None = None


def _kind_field() -> fields.String:
    return fields.String(
        validate=validate.Regexp(KIND_NAME, error="has to be the name of a kind."),
        metadata={"description": "Only spawns of this kind, loaded or not.", "pattern": f"^{KIND_NAME.pattern}$"},
    )


class SpawnsQuerySchema(QuerySchema[SpawnsQuery]):
    model: ClassVar[type] = SpawnsQuery
    kind = _kind_field()
    status = phases_field()


class SpawnsPageQuerySchema(PagedQuerySchema[SpawnsPageQuery]):
    model: ClassVar[type] = SpawnsPageQuery
    kind = _kind_field()
    status = phases_field()


@route(
    "GET",
    "/v1/spawns",
    authorize.READ_ALL,
    "spawn.list_all",
    "List the spawns of all kinds, loaded or not, one page at a time.",
    {200: Answer("One page of spawns, by user, kind and name.", AllSpawnsView)},
    query=SpawnsPageQuerySchema,
)
async def list_spawns(request: web.Request) -> web.Response:
    query = query_of(request, SpawnsPageQuerySchema())
    service = request.app[SERVICE]
    page, following = await page_of_spawns(request, None, query, where=lambda record: _is_listed(record, query))
    spawns = [_view(service, user_state.username, run) for user_state, run in page]
    return web.json_response({"spawns": spawns, "next": following, "unknown": service.spawns.unknown()})


@route(
    "GET",
    f"{USER_PATH}/spawns",
    authorize.READ,
    "spawn.list",
    "List a user's spawns of all kinds, loaded or not.",
    {200: Answer("All of them, by kind and name.", AllSpawnsOfUserView)},
    query=SpawnsQuerySchema,
)
async def list_spawns_of_user(request: web.Request) -> web.Response:
    query = query_of(request, SpawnsQuerySchema())
    username, service = username_of(request), request.app[SERVICE]
    runs = [run for run in spawns_of(request, username, None) if _is_listed(run.record, query)]
    return web.json_response({"spawns": [_view(service, username, run) for run in runs]})


@route(
    "GET",
    _PATH,
    authorize.READ,
    "spawn.get",
    "Read the state of a spawn of any kind, loaded or not.",
    {200: Answer("The spawn.", AnySpawnView)},
    refusals=_UNKNOWN,
)
async def get_spawn(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    username, run = _find(request)
    return web.json_response(_view(request.app[SERVICE], username, run))


@route(
    "DELETE",
    _PATH,
    authorize.STOP,
    "spawn.stop",
    "Stop a spawn of any kind. Of a kind that is not loaded, its pods and labelled objects are deleted.",
    {
        202: Answer("It is stopping.", StoppingAnySpawnView),
        204: Answer("It is gone, did not exist, or has another `start`."),
    },
    query=StopQuerySchema,
    refusals=CHANGE_REFUSED,
)
async def stop_spawn(request: web.Request) -> web.Response:
    username, key = username_of(request), key_of(request)
    query = query_of(request, StopQuerySchema())
    service = request.app[SERVICE]
    run = await service.spawns.stop(username, key, start=query.start)
    return await answer_stop(request, username, run, query.wait, lambda run: _view(service, username, run))


@route(
    "GET",
    f"{_PATH}/events",
    authorize.READ,
    "spawn.events",
    "Follow the events of a spawn of any kind, past and new ones, as server-sent events.",
    {
        200: Answer("The events. Without `follow`, they end when it runs, has failed or is gone.", "text/event-stream"),
        204: NO_MORE_EVENTS,
    },
    query=EventsQuerySchema,
    refusals={**_UNKNOWN, 429: ("too_many_requests",)},
)
async def spawn_events(request: web.Request) -> web.StreamResponse:
    query = query_of(request, EventsQuerySchema())
    _, run = _find(request)
    return await stream(request, run, query)


ROUTES: Final = (list_spawns, list_spawns_of_user, get_spawn, stop_spawn, spawn_events)


def _find(request: web.Request) -> tuple[str, ActiveSpawn]:
    """Return the username and the spawn of the path.

    Raises:
        SpawnNotFoundError: The user has no such spawn.

    """
    username, key = username_of(request), key_of(request)
    run = find_spawn(request, username, key)
    if run is None:
        raise SpawnNotFoundError(username, key.name, request.app[SERVICE].plugins.kinds.title(key.kind))
    return username, run


def _is_listed(record: SpawnRecord, query: SpawnsQuery | SpawnsPageQuery) -> bool:
    kind, phases = query.kind, query.status
    return record.key.kind == (kind or record.key.kind) and (phases is None or record.phase in phases)


def _view(service: Service, username: str, run: ActiveSpawn) -> dict[str, Any]:
    record = run.record
    return {
        "kind": record.key.kind,
        "name": record.key.name,
        "loaded": record.key.kind in service.plugins.kinds,
        "start": record.request.start,
        **spawn_view(username, run),
        "by": record.started_by,
        "client": record.request.client or None,
    }

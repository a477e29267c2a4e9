"""Handlers of the routes about the spawns of one kind. A task of the service does the work, never a handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

from spawnpenny.advice import advice
from spawnpenny.aio.pacing import paced
from spawnpenny.domain.kinds import Kind, OptionSource
from spawnpenny.domain.spawns import DEFAULT_GROUP, Key, Scale, SpawnRequest
from spawnpenny.domain.worker_groups import check_group
from spawnpenny.errors import QuotaExceededError, SpawnpennyError
from spawnpenny.serving.prefix import link_to
from spawnpenny.spawns.errors import KindNotLoadedError
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.counted_starts import count_start
from spawnpenny.web.errors import SpawnNotFoundError
from spawnpenny.web.events import stream
from spawnpenny.web.held_starts import hold_start
from spawnpenny.web.kinds.views import Viewer, scale_view, viewer
from spawnpenny.web.request_context import identity_of, request_context
from spawnpenny.web.request_parsing import body_of, name_of, query_of, start_of, username_of
from spawnpenny.web.route import Codes
from spawnpenny.web.schemas.incoming import BodySchema, QuerySchema
from spawnpenny.web.schemas.queries import EventsQuerySchema, NoQuerySchema
from spawnpenny.web.schemas.spawns import (
    ListPageQuerySchema,
    ListQuerySchema,
    ScalableSpawnBody,
    ScaleBody,
    SpawnBody,
    StartQuerySchema,
    StopQuery,
    StopQuerySchema,
)
from spawnpenny.web.spawns import answer_stop, find_spawn, page_of_spawns, spawns_of

if TYPE_CHECKING:
    from spawnpenny.service import Service
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.spawn_record import SpawnRecord


class KindHandlers:
    """Handlers for one kind. A subclass may have another body and other answers."""

    body: type[BodySchema[SpawnRequest]] = SpawnBody
    stop_query: type[QuerySchema[StopQuery]] = StopQuerySchema
    start_refusals: ClassVar[Mapping[int, Codes]] = {
        403: ("quota_exceeded",),
        409: ("start_conflict", "foreign_start", "name_collision", "user_conflict", "purge_conflict"),
        422: ("option_unknown", "option_invalid", "kind_not_loaded"),
    }
    stop_refusals: ClassVar[Mapping[int, Codes]] = {}

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        if kind.scales:
            self.body = ScalableSpawnBody

    def name_of(self, request: web.Request) -> str:
        """Return the name of the spawn in the path."""
        return name_of(request, self.kind)

    def viewer(self, service: Service, username: str) -> Viewer:
        """Return a function that makes the answers about the spawns of a user."""
        return viewer(service, self.kind, username)

    def not_found(self, username: str, name: str) -> SpawnpennyError:
        """Return the error that there is no such spawn."""
        kind = self.kind
        return SpawnNotFoundError(username, name, kind.title, field=kind.name_field, kind=kind.name)

    async def start(self, request: web.Request) -> web.Response:
        username, name = username_of(request), self.name_of(request)
        query = query_of(request, StartQuerySchema())
        requested = await start_of(request, self.body(), username)
        service, identity = request.app[SERVICE], identity_of(request)
        if not service.plugins.provides(self.kind.name):
            raise KindNotLoadedError(self.kind.name)
        key = Key(self.kind.name, self.kind.unique_name(username, name))
        count_start(request, username, key, requested.start)
        requested = replace(requested, caller=identity.lab)
        make = partial(service.spawns.start, username, key, requested, identity=identity, replace=query.replace)
        started = await hold_start(request, username, make)
        request_context(request).about(started.run)
        view = self.viewer(service, username)(started.run)
        if not started.new:
            return web.json_response(view)
        return web.json_response(view, status=202, headers={"Location": link_to(request, request.rel_url.raw_path)})

    async def get(self, request: web.Request) -> web.Response:
        query_of(request, NoQuerySchema())
        username, run = self.find(request)
        return web.json_response(self.viewer(request.app[SERVICE], username)(run))

    async def stop(self, request: web.Request) -> web.Response:
        username, key = username_of(request), self.key_of(request)
        query = query_of(request, self.stop_query())
        service = request.app[SERVICE]
        run = await service.spawns.stop(username, key, start=query.start)
        return await answer_stop(request, username, run, query.wait, self.viewer(service, username))

    async def events(self, request: web.Request) -> web.StreamResponse:
        query = query_of(request, EventsQuerySchema())
        _, run = self.find(request)
        return await stream(request, run, query)

    async def scale(self, request: web.Request) -> web.Response:
        query_of(request, NoQuerySchema())
        username, key = username_of(request), self.key_of(request)
        body, service = await body_of(request, ScaleBody()), request.app[SERVICE]
        grouped = self.kind.options is OptionSource.CLUSTER
        group = check_group(body.group, service.plugins.worker_groups(self.kind.name) if grouped else ())
        scaled = await service.spawns.scale(username, key, partial(_scaled, group=group, count=body.count))
        if scaled is None:
            raise self.not_found(username, key.name)
        request_context(request).about(scaled.run)
        notice = _notice(scaled.refusal, scaled.scale.of(group)) if scaled.refusal else None
        return web.json_response({"ok": notice is None, "msg": notice, "scale": scale_view(scaled.scale)})

    async def list_of_user(self, request: web.Request) -> web.Response:
        query = query_of(request, ListQuerySchema())
        username = username_of(request)
        view, is_listed = self.viewer(request.app[SERVICE], username), in_phases(query.status)
        runs = [run for run in spawns_of(request, username, self.kind.name) if is_listed(run.record)]
        return web.json_response({self.kind.plural: [view(run) for run in runs]})

    async def list_all(self, request: web.Request) -> web.Response:
        """List the spawns of all users. Read the pods of a user once, however many spawns the user has."""
        query = query_of(request, ListPageQuerySchema())
        service = request.app[SERVICE]
        page, following = await page_of_spawns(request, self.kind.name, query, where=in_phases(query.status))
        viewers: dict[str, Viewer] = {}
        found = []
        async for user_state, run in paced(page):
            username = user_state.username
            view = viewers.get(username) or viewers.setdefault(username, self.viewer(service, username))
            found.append(view(run))
        return web.json_response({self.kind.plural: found, "next": following, "unknown": service.spawns.unknown()})

    def key_of(self, request: web.Request) -> Key:
        """Return the key of the spawn in the path, which may have the name that its user chose.

        Raises:
            InvalidNameError: The name is not valid.

        """
        username, key = username_of(request), Key(self.kind.name, self.name_of(request))
        if not self.kind.unique_names or find_spawn(request, username, key) is not None:
            return key
        chosen = Key(self.kind.name, self.kind.full_name(username, key.name))
        return chosen if find_spawn(request, username, chosen) is not None else key

    def find(self, request: web.Request) -> tuple[str, ActiveSpawn]:
        """Return the username and the spawn of the path.

        Raises:
            SpawnNotFoundError: The user has no such spawn.

        """
        username, key = username_of(request), self.key_of(request)
        run = find_spawn(request, username, key)
        if run is None:
            raise self.not_found(username, key.name)
        return username, run


def in_phases(phases: frozenset[str] | None) -> Callable[[SpawnRecord], bool]:
    """Return whether records are in one of some phases; None: in any."""
    return lambda record: phases is None or record.phase in phases


def _scaled(now: Scale, *, group: str, count: int) -> Scale:
    fixed = replace(now, minimum=0, maximum=None, adaptive=False) if group == DEFAULT_GROUP else now
    return fixed.resized(group, count)


def _notice(refusal: QuotaExceededError, count: int) -> str:
    """Return why a scale does not fit, and the number of workers instead."""
    helpful: Any = refusal.advice or advice(refusal.code)
    return f"{refusal.message} It scales to {count} instead." + (f" {helpful}" if helpful else "")

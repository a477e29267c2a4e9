"""Handlers that start, read, stop and list labs. The service's tasks do the work, never a handler."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from spawnpenny.domain.spawns import Key, Kind
from spawnpenny.errors import StorageKeptError
from spawnpenny.serving.prefix import link_to
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.errors import LabNotFoundError
from spawnpenny.web.held_starts import hold_start
from spawnpenny.web.request_context import demand_purge, identity_of, request_context
from spawnpenny.web.request_parsing import lab_of, query_of, start_of, username_of
from spawnpenny.web.schemas.requests import (
    LabBody,
    NoQuerySchema,
    PageQuerySchema,
    StartQuerySchema,
    StopQuerySchema,
)
from spawnpenny.web.schemas.responses import lab_view
from spawnpenny.web.spawns import answer_stop, find_spawn, page_of_spawns, spawns_of

if TYPE_CHECKING:
    from spawnpenny.spawns.active import ActiveSpawn


async def start_lab(request: web.Request) -> web.Response:
    username, lab = username_of(request), lab_of(request)
    query = query_of(request, StartQuerySchema())
    asked = await start_of(request, LabBody(), username)
    key = Key(Kind.LAB, lab)
    _count(request, username, key, asked.start)
    start = partial(
        request.app[SERVICE].spawns.start, username, key, asked, identity=identity_of(request), replace=query.replace
    )
    started = await hold_start(request, username, start)
    request_context(request).about(started.run)
    view = lab_view(username, started.run)
    if not started.new:
        return web.json_response(view)
    return web.json_response(view, status=202, headers={"Location": link_to(request, request.rel_url.raw_path)})


async def get_lab(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    username, run = find_lab(request)
    return web.json_response(lab_view(username, run))


async def get_hostnames(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    key = Key(Kind.LAB, lab_of(request))
    found = request.app[SERVICE].spawns.hostnames(username_of(request), key)
    return web.json_response({"hostnames": found})


async def stop_lab(request: web.Request) -> web.Response:
    username, lab = username_of(request), lab_of(request)
    query = query_of(request, StopQuerySchema())
    spawns, key = request.app[SERVICE].spawns, Key(Kind.LAB, lab)
    if query.purge:
        demand_purge(request)
        run = await spawns.purge(username, key, identity=identity_of(request), start=query.start)
    else:
        run = await spawns.stop(username, key, start=query.start)
    answer = await answer_stop(request, username, run, query.wait, lambda run: lab_view(username, run))
    if query.purge and run is not None and run.gone and run.kept:
        raise StorageKeptError(run.kept)
    return answer


async def list_labs_of_user(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    username = username_of(request)
    labs = [lab_view(username, run) for run in spawns_of(request, username, Kind.LAB)]
    return web.json_response({"labs": labs})


async def list_labs(request: web.Request) -> web.Response:
    query = query_of(request, PageQuerySchema())
    page, following = await page_of_spawns(request, Kind.LAB, query)
    labs = [lab_view(user_state.username, run) for user_state, run in page]
    unknown = request.app[SERVICE].spawns.unknown()
    return web.json_response({"labs": labs, "next": following, "unknown": unknown})


def find_lab(request: web.Request) -> tuple[str, ActiveSpawn]:
    """Return the user and the lab of the path.

    Raises:
        LabNotFoundError: There is none.

    """
    username, lab = username_of(request), lab_of(request)
    run = find_spawn(request, username, Key(Kind.LAB, lab))
    if run is None:
        raise LabNotFoundError(username, lab)
    return username, run


def _count(request: web.Request, username: str, key: Key, start: str) -> None:
    """Count a start against its user's limit; one that is there already is answered all the same.

    Raises:
        TooManyRequestsError: The user has asked for too many.

    """
    existing = request.app[SERVICE].spawns.find(username, key)
    limit = request.app[LIMITS].starts
    wait = limit.count(username)
    if wait and (existing is None or existing.record.request.start != start):
        raise limit.refusal(username, wait)

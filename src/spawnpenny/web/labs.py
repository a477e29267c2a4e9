"""Labs: start, read, stop and list them. A task of the service does the work, never a handler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from spawnpenny.domain.spawns import Key, Phase
from spawnpenny.errors import StorageKeptError
from spawnpenny.serving.metrics.families import gauges
from spawnpenny.serving.prefix import link_to
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.counted_starts import count_start
from spawnpenny.web.errors import LabNotFoundError
from spawnpenny.web.events import stream
from spawnpenny.web.held_starts import hold_start
from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_context import demand_purge, identity_of, request_context
from spawnpenny.web.request_parsing import lab_of, query_of, start_of, username_of
from spawnpenny.web.route import (
    BODY_REFUSED,
    CHANGE_REFUSED,
    NO_MORE_EVENTS,
    START_REFUSED,
    USER_PATH,
    Answer,
    route,
)
from spawnpenny.web.schemas.labs import LabBody, StartQuerySchema, StopQuerySchema
from spawnpenny.web.schemas.queries import EventsQuerySchema, NoQuerySchema, PageQuerySchema
from spawnpenny.web.schemas.responses import HostnamesView, LabsView, LabView, StoppingLabView, UserLabsView, lab_view
from spawnpenny.web.spawns import answer_stop, find_spawn, page_of_spawns, spawns_of

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from spawnpenny.service import Service
    from spawnpenny.spawns.active import ActiveSpawn

LAB: Final = "lab"
"""The kind of labs, which the plugin ``lab`` declares."""
_PATH: Final = f"{USER_PATH}/labs/{{lab}}"


@route(
    "PUT",
    _PATH,
    authorize.SPAWN,
    "lab.start",
    "Start a lab. The same request sent again, with the same `start`, is the same lab.",
    {
        202: Answer("Accepted: the request is stored, and the lab is starting.", LabView),
        200: Answer("This start was accepted before.", LabView),
    },
    query=StartQuerySchema,
    body=LabBody,
    refusals={
        **BODY_REFUSED,
        **CHANGE_REFUSED,
        **START_REFUSED,
        403: ("quota_exceeded",),
        409: ("start_conflict", "foreign_start", "name_collision", "user_conflict", "storage_in_use", "purge_conflict"),
        422: ("option_unknown", "option_invalid", "tls_unsupported"),
    },
)
async def start_lab(request: web.Request) -> web.Response:
    username, lab = username_of(request), lab_of(request)
    query = query_of(request, StartQuerySchema())
    requested = await start_of(request, LabBody(), username)
    key = Key(LAB, lab)
    count_start(request, username, key, requested.start)
    start = partial(
        request.app[SERVICE].spawns.start,
        username,
        key,
        requested,
        identity=identity_of(request),
        replace=query.replace,
    )
    started = await hold_start(request, username, start)
    request_context(request).about(started.run)
    view = lab_view(username, started.run)
    if not started.new:
        return web.json_response(view)
    return web.json_response(view, status=202, headers={"Location": link_to(request, request.rel_url.raw_path)})


@route(
    "GET",
    _PATH,
    authorize.READ,
    "lab.get",
    "Read the state of a lab, and its URL.",
    {200: Answer("The lab.", LabView)},
    refusals={404: ("lab_not_found",)},
)
async def get_lab(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    username, run = find_lab(request)
    return web.json_response(lab_view(username, run))


@route(
    "DELETE",
    _PATH,
    authorize.STOP,
    "lab.stop",
    "Stop a lab. With `start`, stop only that start; with `purge=storage`, delete its storage too.",
    {
        202: Answer("The lab is stopping.", StoppingLabView),
        204: Answer("The lab is gone, did not exist, or has another `start`."),
    },
    query=StopQuerySchema,
    refusals={
        **CHANGE_REFUSED,
        403: ("forbidden",),
        409: ("storage_kept", "user_conflict"),
        429: ("too_many_spawns",),
    },
)
async def stop_lab(request: web.Request) -> web.Response:
    username, lab = username_of(request), lab_of(request)
    query = query_of(request, StopQuerySchema())
    spawns, key = request.app[SERVICE].spawns, Key(LAB, lab)
    if query.purge:
        demand_purge(request)
        run = await spawns.purge(username, key, identity=identity_of(request), start=query.start)
    else:
        run = await spawns.stop(username, key, start=query.start)
    answer = await answer_stop(request, username, run, query.wait, lambda run: lab_view(username, run))
    if query.purge and run is not None and run.gone and run.kept:
        raise StorageKeptError(run.kept)
    return answer


@route(
    "GET",
    f"{_PATH}/events",
    authorize.READ,
    "lab.events",
    "Follow the events of a lab, past and new ones, as server-sent events.",
    {
        200: Answer(
            "The events. Without `follow`, they end when the lab runs, has failed or is gone.", "text/event-stream"
        ),
        204: NO_MORE_EVENTS,
    },
    query=EventsQuerySchema,
    refusals={404: ("lab_not_found",), 429: ("too_many_requests",)},
)
async def lab_events(request: web.Request) -> web.StreamResponse:
    query = query_of(request, EventsQuerySchema())
    _, run = find_lab(request)
    return await stream(request, run, query)


@route(
    "GET",
    f"{_PATH}/hostnames",
    authorize.READ,
    "lab.hostnames",
    "List the host names of a lab for its TLS certificate, also before it starts.",
    {200: Answer("The names that the certificate needs.", HostnamesView)},
    refusals={422: ("tls_unsupported",)},
)
async def get_hostnames(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    key = Key(LAB, lab_of(request))
    found = request.app[SERVICE].spawns.hostnames(username_of(request), key)
    return web.json_response({"hostnames": found})


@route(
    "GET",
    f"{USER_PATH}/labs",
    authorize.READ,
    "lab.list",
    "List the labs of a user.",
    {200: Answer("All labs of the user, by name.", UserLabsView)},
)
async def list_labs_of_user(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    username = username_of(request)
    labs = [lab_view(username, run) for run in spawns_of(request, username, LAB)]
    return web.json_response({"labs": labs})


@route(
    "GET",
    "/v1/labs",
    authorize.READ_ALL,
    "lab.list_all",
    "List all labs, one page at a time.",
    {200: Answer("One page of labs, by user and name.", LabsView)},
    query=PageQuerySchema,
)
async def list_labs(request: web.Request) -> web.Response:
    query = query_of(request, PageQuerySchema())
    page, following = await page_of_spawns(request, LAB, query)
    labs = [lab_view(user_state.username, run) for user_state, run in page]
    unknown = request.app[SERVICE].spawns.unknown()
    return web.json_response({"labs": labs, "next": following, "unknown": unknown})


ROUTES: Final = (start_lab, get_lab, stop_lab, lab_events, get_hostnames, list_labs_of_user, list_labs)


def find_lab(request: web.Request) -> tuple[str, ActiveSpawn]:
    """Return the username and the lab of the path.

    Raises:
        LabNotFoundError: The user has no such lab.

    """
    username, lab = username_of(request), lab_of(request)
    run = find_spawn(request, username, Key(LAB, lab))
    if run is None:
        raise LabNotFoundError(username, lab)
    return username, run


def lab_gauges(service: Service) -> Iterable[Metric]:
    """Yield the gauge of the labs that this replica looks after."""
    phases = Counter(
        run.record.phase
        for user_state in service.spawns.user_states()
        for key, run in user_state.runs.items()
        if key.kind == LAB
    )
    by_phase = {phase.value: phases[phase] for phase in Phase}
    yield gauges("spawnpenny_labs", "Labs, by phase.", "phase", by_phase)

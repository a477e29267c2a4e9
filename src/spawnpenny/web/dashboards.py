"""Links to the dashboards of a kind's spawns, for their user, and the headers that they need, for the proxy."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web
from marshmallow import Schema, fields

from spawnpenny.domain.kinds import Kind
from spawnpenny.domain.proxy_names import proxy_name
from spawnpenny.domain.spawns import Key, Phase
from spawnpenny.errors import NotReadyError
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.dashboard_headers import dashboard_headers
from spawnpenny.spawns.errors import SpawnNotRunningError
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.errors import SpawnNotFoundError
from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_parsing import name_of, query_of, user_of
from spawnpenny.web.route import USER_PATH, Answer, Route
from spawnpenny.web.schemas.queries import NoQuerySchema
from spawnpenny.web.schemas.responses import described
from spawnpenny.web.spawns import find_spawn
from spawnpenny.web.tickets import TICKETS


class DashboardLinkView(Schema):
    """A link to a dashboard, which one browser can open."""

    path = fields.String(
        required=True, metadata=described("A path below `gateway.public_address`, with a new one-time ticket.")
    )
    link = fields.String(
        required=True, allow_none=True, metadata=described("The whole link; null: browsers reach no dashboards.")
    )


class DashboardHeadersView(Schema):
    """The headers that the proxy adds to requests for a dashboard. They are secret."""

    uid = fields.String(required=True, metadata=described("The uid of the pod that they are for."))
    headers = fields.Dict(fields.String(), fields.String(), required=True, metadata=described("The headers by name."))


def dashboard_routes(kind: Kind) -> Iterator[Route]:
    """Yield the routes about the dashboards of a kind; none if it has no dashboard."""
    if kind.dashboard is None:
        return
    path, unknown = f"{USER_PATH}/{kind.plural}/{{{kind.name_field}}}/dashboard", {404: (kind.not_found,)}

    async def new_link(request: web.Request) -> web.Response:
        return _link(request, kind, _running(request, kind))

    async def get_headers(request: web.Request) -> web.Response:
        return await _headers(request, _running(request, kind))

    yield Route(
        "POST",
        path,
        new_link,
        authorize.START_FROM_LABS if kind.from_labs else authorize.SPAWN,
        f"{kind.name}.dashboard",
        f"Get a new link to the dashboard of {kind.indefinite}. The browser that opens it first can open it again.",
        {200: Answer("The link.", DashboardLinkView)},
        refusals={**unknown, 409: (SpawnNotRunningError.code,)},
    )
    if kind.dashboard.authenticated:
        yield Route(
            "GET",
            f"{path}/headers",
            get_headers,
            authorize.ROUTES,
            f"{kind.name}.dashboard_headers",
            f"Read the headers by which the dashboard of {kind.indefinite} knows its user; for `spawnpenny proxy`.",
            {200: Answer("The headers. They are secret.", DashboardHeadersView)},
            refusals={**unknown, 409: (SpawnNotRunningError.code,), 502: ("cluster_error",)},
        )


def _running(request: web.Request, kind: Kind) -> ActiveSpawn:
    query_of(request, NoQuerySchema())
    username, name = user_of(request), name_of(request, kind)
    run = find_spawn(request, username, Key(kind.name, kind.full_name(username, name)))
    if run is None:
        raise SpawnNotFoundError(username, name, kind.title, field=kind.name_field, kind=kind.name)
    if run.record.phase is not Phase.RUNNING:
        raise SpawnNotRunningError(f"{username}'s {kind.title} {name!r} does not run, so it has no dashboard.")
    return run


def _link(request: web.Request, kind: Kind, run: ActiveSpawn) -> web.Response:
    name = run.record.key.name
    at_proxy = name if kind.unique_names else proxy_name(user_of(request), kind.name, name)
    path = f"/clusters/{at_proxy}/{request.app[TICKETS].new(run.record.id)}/"
    public = request.app[SERVICE].service_context.settings.gateway.public_address
    link = f"{public.rstrip('/')}{path}" if public else None
    return web.json_response({"path": path, "link": link}, headers={"Cache-Control": "no-store"})


async def _headers(request: web.Request, run: ActiveSpawn) -> web.Response:
    service = request.app[SERVICE]
    user_state = service.spawns.user_state(user_of(request))
    if user_state is None:
        raise NotReadyError
    headers = await dashboard_headers(SpawnContext(service.service_context, user_state, run))
    return web.json_response({"uid": run.record.pod_uid, "headers": headers}, headers={"Cache-Control": "no-store"})

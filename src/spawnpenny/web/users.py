"""Users: commission, read and retire them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from spawnpenny.domain.users import User
from spawnpenny.errors import InvalidRequestError
from spawnpenny.serving.prefix import link_to
from spawnpenny.spawns.deletion import COMMISSIONING
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.errors import UserNotFoundError
from spawnpenny.web.events import stream
from spawnpenny.web.held_starts import hold_start
from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_context import demand_purge, identity_of, request_context
from spawnpenny.web.request_parsing import query_of, start_of, username_of
from spawnpenny.web.route import BODY_REFUSED, CHANGE_REFUSED, NO_MORE_EVENTS, START_REFUSED, USER_PATH, Answer, route
from spawnpenny.web.schemas.queries import EventsQuerySchema, NoQuerySchema
from spawnpenny.web.schemas.responses import UserView, user_event_view, user_view
from spawnpenny.web.schemas.users import DossierBody, RetireQuerySchema
from spawnpenny.web.spawns import wait_until

if TYPE_CHECKING:
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.user_state import UserState


@route(
    "PUT",
    USER_PATH,
    authorize.COMMISSION,
    "user.commission",
    "Commission a user: store the dossier, and run the site's order.",
    {
        202: Answer("Accepted: the dossier is stored, and the order is running.", UserView),
        200: Answer("The same dossier was accepted before.", UserView),
    },
    body=DossierBody,
    refusals={**BODY_REFUSED, **CHANGE_REFUSED, **START_REFUSED, 409: ("user_conflict", "name_collision")},
)
async def commission_user(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    username = username_of(request)
    dossier = await start_of(request, DossierBody(), username)
    if dossier.username not in (None, username):
        raise InvalidRequestError("The username in the body differs from the one in the path.", field="username")
    service = request.app[SERVICE]
    gid = service.settings.users.gid if dossier.gid is None else dossier.gid
    user = User(username, dossier.uid, gid, dossier.groups)
    service.spawns.user_state(username)  # raises if another replica owns the user: that one counts
    request.app[LIMITS].starts.demand(username)
    commission = partial(service.spawns.commission, user, identity=identity_of(request))
    started = await hold_start(request, username, commission)
    request_context(request).about(started.run)
    user_state, run = find_user(request)
    if not started.new:
        return web.json_response(user_view(user_state, run))
    return web.json_response(
        user_view(user_state, run), status=202, headers={"Location": link_to(request, request.rel_url.raw_path)}
    )


@route(
    "GET",
    USER_PATH,
    authorize.READ_USER,
    "user.get",
    "Read the dossier of a user, and the state of the commissioning.",
    {200: Answer("The user.", UserView)},
    refusals={404: ("user_not_found",)},
)
async def get_user(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    return web.json_response(user_view(*find_user(request)))


@route(
    "DELETE",
    USER_PATH,
    authorize.COMMISSION,
    "user.retire",
    "Retire a user: run the site's order, and delete the user's namespace. Storage goes only with `purge=storage`.",
    {
        202: Answer("Accepted: the user is being retired.", UserView),
        204: Answer("The user is retired, or was never known."),
    },
    query=RetireQuerySchema,
    refusals={**CHANGE_REFUSED, 403: ("forbidden",), 409: ("user_conflict",)},
)
async def retire_user(request: web.Request) -> web.Response:
    username = username_of(request)
    query = query_of(request, RetireQuerySchema())
    if query.purge:
        demand_purge(request)
    service = request.app[SERVICE]
    run = await service.spawns.retire(username, purge=query.purge is not None)
    if run is None:
        return web.Response(status=204)
    request_context(request).about(run)
    if query.wait:
        await wait_until(request, run, run.until_gone(), query.wait)
    user_state = service.spawns.user_state(username)
    if run.gone or user_state is None:
        return web.Response(status=204)
    return web.json_response(user_view(user_state, run), status=202)


@route(
    "GET",
    f"{USER_PATH}/events",
    authorize.READ_USER,
    "user.events",
    "Follow the events of a user's commissioning as server-sent events.",
    {
        200: Answer("The events. They end when the user is active or has failed.", "text/event-stream"),
        204: NO_MORE_EVENTS,
    },
    query=EventsQuerySchema,
    refusals={404: ("user_not_found",), 429: ("too_many_requests",)},
)
async def user_events(request: web.Request) -> web.StreamResponse:
    query = query_of(request, EventsQuerySchema())
    _, run = find_user(request)
    return await stream(request, run, query, view=user_event_view)


ROUTES: Final = (commission_user, get_user, retire_user, user_events)


def find_user(request: web.Request) -> tuple[UserState, ActiveSpawn]:
    """Return the state and the commissioning of the user of the path.

    Raises:
        UserNotFoundError: The user is not commissioned.

    """
    username = username_of(request)
    user_state = request.app[SERVICE].spawns.user_state(username)
    run = user_state.runs.get(COMMISSIONING) if user_state else None
    if user_state is None or run is None:
        raise UserNotFoundError(username)
    request_context(request).about(run)
    return user_state, run

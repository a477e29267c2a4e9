"""Handlers that commission and read users."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from spawnpenny.domain.users import User
from spawnpenny.errors import InvalidRequestError
from spawnpenny.serving.prefix import link_to
from spawnpenny.spawns.deletion import COMMISSIONING
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.errors import UserNotFoundError
from spawnpenny.web.held_starts import hold_start
from spawnpenny.web.request_context import demand_purge, identity_of, request_context
from spawnpenny.web.request_parsing import query_of, start_of, username_of
from spawnpenny.web.schemas.requests import DossierBody, NoQuerySchema, RetireQuerySchema
from spawnpenny.web.schemas.responses import user_view
from spawnpenny.web.spawns import wait_until

if TYPE_CHECKING:
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.user_state import UserState


async def commission_user(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    username = username_of(request)
    dossier = await start_of(request, DossierBody(), username)
    if dossier.username not in (None, username):
        raise InvalidRequestError("username in the body is another than in the path.", field="username")
    service = request.app[SERVICE]
    gid = service.settings.users.gid if dossier.gid is None else dossier.gid
    user = User(username, dossier.uid, gid, dossier.groups)
    service.spawns.user_state(username)  # another replica's user is counted there
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


async def get_user(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    return web.json_response(user_view(*find_user(request)))


def find_user(request: web.Request) -> tuple[UserState, ActiveSpawn]:
    """Return the user of the path, and the commissioning.

    Raises:
        UserNotFoundError: Nobody commissioned the user.

    """
    username = username_of(request)
    user_state = request.app[SERVICE].spawns.user_state(username)
    run = user_state.runs.get(COMMISSIONING) if user_state else None
    if user_state is None or run is None:
        raise UserNotFoundError(username)
    request_context(request).about(run)
    return user_state, run

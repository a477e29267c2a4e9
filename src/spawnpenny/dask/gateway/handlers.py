"""Handlers of the dask-gateway protocol: offer options, and start, scale, list and stop clusters."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from spawnpenny.auth.users import resolve_user
from spawnpenny.dask.errors import DaskNotFoundError
from spawnpenny.dask.gateway.errors import advised, explained
from spawnpenny.dask.gateway.reports import field_of, full_report, report, status_of
from spawnpenny.dask.gateway.schemas import (
    AdaptBody,
    ClusterQuerySchema,
    ClustersQuerySchema,
    ScaleToBody,
    StartOfClusterBody,
    StartQuerySchema,
)
from spawnpenny.dask.kind import DASK
from spawnpenny.dask.rest import find_cluster, key_of
from spawnpenny.dask.tickets import TICKETS
from spawnpenny.dask.workers import workers_of
from spawnpenny.domain.names import cluster_name, own_cluster_name
from spawnpenny.domain.spawns import DEFAULT_GROUP, Key, Phase, Scale, SpawnRequest
from spawnpenny.domain.worker_groups import check_group
from spawnpenny.errors import InvalidRequestError
from spawnpenny.spawns.errors import SpawnNotRunningError
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.held_starts import hold_start
from spawnpenny.web.request_context import identity_of, request_context
from spawnpenny.web.request_parsing import body_of, query_of, start_of, user_of
from spawnpenny.web.schemas.queries import NoQuerySchema
from spawnpenny.web.spawns import find_spawn, spawns_of, wait_until

if TYPE_CHECKING:
    from spawnpenny.spawns.active import ActiveSpawn


HELD: Final = 20.0
"""Seconds that ``?wait`` holds a request."""
_UNDECIDED: Final = frozenset({Phase.REQUESTED, Phase.PENDING})
_ENDED: Final = frozenset({Phase.UNDOING, Phase.FAILED, Phase.EXITED, Phase.SUCCEEDED})


async def get_version(request: web.Request) -> web.Response:
    del request
    return web.json_response({"version": version("spawnpenny")})


async def get_health(request: web.Request) -> web.Response:
    status = "pass" if request.app[SERVICE].spawns.ready else "fail"
    return web.json_response({"status": status}, status=200 if status == "pass" else 503)


async def get_options(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema)
    username, service = user_of(request), request.app[SERVICE]
    user_state = service.spawns.user_state(username)
    user = resolve_user(
        username, identity_of(request), user_state.known if user_state else None, service.settings.users
    )
    plugins = service.plugins
    return web.json_response(
        {
            "cluster_options": [field_of(option) for option in plugins.cluster_options(user)],
            "worker_groups": [asdict(group) for group in plugins.worker_groups()],
        }
    )


async def start_cluster(request: web.Request) -> web.Response:
    query = query_of(request, StartQuerySchema)
    username, service, identity = user_of(request), request.app[SERVICE], identity_of(request)
    body = await start_of(request, StartOfClusterBody(), username)
    if not service.plugins.provides(DASK):
        raise InvalidRequestError("No plugin here makes Dask clusters. An administrator can add one to the settings.")
    service.spawns.user_state(username)  # raises for the user of another replica, which counts that user's starts
    request.app[LIMITS].starts.demand(username)
    start = query.start or secrets.token_hex(16)
    name = own_cluster_name(username, query.name) if query.name else cluster_name(username, start)
    key = Key(DASK, name)
    spawn_request = SpawnRequest(start, body.cluster_options or {}, caller=identity.lab)
    make = partial(service.spawns.start, username, key, spawn_request, identity=identity)
    started = await hold_start(request, username, make)
    request_context(request).about(started.run)
    request_context(request).cluster = key.name
    return web.json_response({"name": key.name}, status=201)


async def get_report(request: web.Request) -> web.Response:
    query = query_of(request, ClusterQuerySchema)
    run = find_cluster(request)
    if query.wait:
        await wait_until(request, run, _decided(run), HELD)
        _demand_up(user_of(request), run)
    facts = {"facts": _facts(request, run)} if query.facts else {}
    return web.json_response({**_full_report(request, run), **facts})


async def list_reports(request: web.Request) -> web.Response:
    query = query_of(request, ClustersQuerySchema)
    records = [run.record for run in spawns_of(request, user_of(request), DASK)]
    return web.json_response(
        {record.key.name: report(record) for record in records if status_of(record) in query.status}
    )


async def end_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema)
    username, key = user_of(request), key_of(request)
    run = find_spawn(request, username, key)
    # The client also closes clusters that have failed: the reason stays readable.
    if run is not None and run.record.phase not in _ENDED:
        await request.app[SERVICE].spawns.stop(username, key)
    return web.Response(status=204)


def _full_report(request: web.Request, run: ActiveSpawn) -> dict[str, Any]:
    service, record = request.app[SERVICE], run.record
    if record.phase is not Phase.RUNNING:
        return report(record)
    ticket = request.app[TICKETS].new(record.id) if service.settings.gateway.public_address else None
    return full_report(record, ticket=ticket)


def _facts(request: web.Request, run: ActiveSpawn) -> dict[str, Any]:
    """Return further facts of a running cluster for our own client; dask-gateway's does not accept them."""
    if run.record.phase is not Phase.RUNNING:
        return {}
    workers = workers_of(request.app[SERVICE], user_of(request))[run.record.id]
    return {"scheduler": run.record.url, "workers": workers.counts()}


async def _decided(run: ActiveSpawn) -> None:
    while run.record.phase in _UNDECIDED and not (run.gone or run.moved):
        await run.bell.next().wait()


def _demand_up(username: str, run: ActiveSpawn) -> None:
    """Refuse to report a cluster that will not run.

    Raises:
        SpawnNotRunningError: The cluster has failed or ended, or is being stopped.
        DaskNotFoundError: The cluster was stopped meanwhile.

    """
    record = run.record
    if run.gone:
        raise DaskNotFoundError(username, record.key.name)
    if record.phase in _ENDED and record.reason is not None:
        raise SpawnNotRunningError(explained(record.reason), phase=record.phase)
    if record.phase is Phase.STOPPING:
        raise SpawnNotRunningError(f"The Dask cluster {record.key.name!r} is being stopped.", phase=record.phase)


async def scale_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema)
    body = await body_of(request, ScaleToBody())
    group = check_group(body.group, request.app[SERVICE].plugins.worker_groups())

    def resized(now: Scale) -> Scale:
        scale = now if group != DEFAULT_GROUP else replace(now, minimum=0, maximum=None, adaptive=False)
        return scale.resized(group, body.count)

    return await _scaled(request, resized, lambda scale: f"Scaling to {scale.of(group)} instead.")


async def adapt_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema)
    body = await body_of(request, AdaptBody())
    find_cluster(request)

    def bounded(now: Scale) -> Scale:
        bounds = (body.minimum or 0, body.maximum) if body.active else (0, None)
        return replace(now, minimum=bounds[0], maximum=bounds[1], adaptive=body.active)

    return await _scaled(
        request, bounded, lambda scale: f"Using `maximum={scale.maximum}, minimum={scale.minimum}` instead."
    )


async def _scaled(
    request: web.Request, change: Callable[[Scale], Scale], instead: Callable[[Scale], str]
) -> web.Response:
    """Change the scale, as far as it fits. ``instead`` words the scale that fits, as dask-gateway does."""
    username, key = user_of(request), key_of(request)
    scaled = await request.app[SERVICE].spawns.scale(username, key, change)
    if scaled is None:
        raise DaskNotFoundError(username, key.name)
    request_context(request).about(scaled.run)
    refusal = scaled.refusal
    notice = advised(refusal.code, f"{refusal.message} {instead(scaled.scale)}", refusal.advice) if refusal else None
    return web.json_response({"ok": notice is None, "msg": notice})

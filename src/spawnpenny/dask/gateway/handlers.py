"""Clusters by the gateway protocol: options, started, looked at, waited for, listed, stopped."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from spawnpenny.auth.users import resolve_user
from spawnpenny.dask.errors import DaskNotFoundError
from spawnpenny.dask.gateway.errors import worded
from spawnpenny.dask.gateway.options import field_of
from spawnpenny.dask.gateway.reports import full_report, report
from spawnpenny.dask.gateway.schemas import (
    ClusterQuerySchema,
    ClustersQuerySchema,
    StartOfClusterBody,
    StartQuerySchema,
)
from spawnpenny.dask.gateway.status import status_of
from spawnpenny.dask.rest import find_cluster, key_of
from spawnpenny.dask.tickets import TICKETS
from spawnpenny.dask.workers import workers_of
from spawnpenny.domain.names import cluster_name, own_cluster_name
from spawnpenny.domain.spawns import Key, Kind, Phase, SpawnRequest
from spawnpenny.errors import InvalidRequestError
from spawnpenny.spawns.errors import SpawnNotRunningError
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.held_starts import hold_start
from spawnpenny.web.request_context import identity_of, request_context
from spawnpenny.web.request_parsing import query_of, start_of, user_of
from spawnpenny.web.schemas.requests import NoQuerySchema
from spawnpenny.web.spawns import find_spawn, spawns_of, wait_until

if TYPE_CHECKING:
    from spawnpenny.spawns.active import ActiveSpawn

HELD: Final = 20.0
"""Seconds that ``?wait`` holds a request."""
_UNDECIDED: Final = frozenset({Phase.REQUESTED, Phase.PENDING})
_ENDED: Final = frozenset({Phase.UNDOING, Phase.FAILED, Phase.EXITED})


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
    asked = await start_of(request, StartOfClusterBody(), username)
    if not service.plugins.provides(Kind.DASK):
        raise InvalidRequestError("No plugin here makes Dask clusters. An administrator adds one to the settings.")
    service.spawns.user_state(username)  # another replica's user is counted there
    request.app[LIMITS].starts.demand(username)
    start = query.start or secrets.token_hex(16)
    name = own_cluster_name(username, query.name) if query.name else cluster_name(username, start)
    key = Key(Kind.DASK, name)
    wanted = SpawnRequest(start, asked.cluster_options or {}, caller=identity.lab)
    make = partial(service.spawns.start, username, key, wanted, identity=identity)
    started = await hold_start(request, username, make)
    request_context(request).about(started.run)
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
    records = [run.record for run in spawns_of(request, user_of(request), Kind.DASK)]
    return web.json_response(
        {record.key.name: report(record) for record in records if status_of(record) in query.status}
    )


async def end_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema)
    username, key = user_of(request), key_of(request)
    run = find_spawn(request, username, key)
    # The client sends this of what has failed, too: why it has stays to be read.
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
    """Return what a client of ours is sent beside the report, of a cluster that runs."""
    if run.record.phase is not Phase.RUNNING:
        return {}
    workers = workers_of(request.app[SERVICE], user_of(request))[run.record.id]
    return {"scheduler": run.record.url, "workers": workers.counts()}


async def _decided(run: ActiveSpawn) -> None:
    while run.record.phase in _UNDECIDED and not (run.gone or run.moved):
        await run.bell.next().wait()


def _demand_up(username: str, run: ActiveSpawn) -> None:
    """Say why a cluster that is waited for will not come.

    Raises:
        SpawnNotRunningError: It has failed, has ended, or is being stopped.
        DaskNotFoundError: It was stopped meanwhile.

    """
    record = run.record
    if run.gone:
        raise DaskNotFoundError(username, record.key.name)
    if record.phase in _ENDED and record.reason is not None:
        raise SpawnNotRunningError(worded(record.reason), phase=record.phase)
    if record.phase is Phase.STOPPING:
        raise SpawnNotRunningError(f"The Dask cluster {record.key.name!r} is being stopped.", phase=record.phase)

"""Handlers of the dask-gateway protocol: offer options, and start, scale, list and stop clusters."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from spawnpenny.api import DEFAULT_GROUP, Key, Phase, Scale, Settings
from spawnpenny.api.http import (
    NoQuerySchema,
    SpawnNotRunningError,
    SpawnRequest,
    body_of,
    check_group,
    cluster_name,
    identity_of,
    own_cluster_name,
    query_of,
    start_of,
    user_of,
)
from spawnpenny_dask.errors import DaskNotFoundError
from spawnpenny_dask.gateway.errors import advised, explained
from spawnpenny_dask.gateway.reports import field_of, full_report, report, status_of
from spawnpenny_dask.gateway.schemas import (
    AdaptBody,
    ClusterQuerySchema,
    ClustersQuerySchema,
    ScaleToBody,
    StartOfClusterBody,
    StartQuerySchema,
)
from spawnpenny_dask.kind import DASK
from spawnpenny_dask.rest.worker_counts import workers_of

if TYPE_CHECKING:
    from spawnpenny.api.http import SpawnState
    from spawnpenny_dask.rest.clusters import Clusters

HELD: Final = 20.0
"""Seconds that ``?wait`` holds a request."""
_UNDECIDED: Final = frozenset({Phase.REQUESTED, Phase.PENDING})
_ENDED: Final = frozenset({Phase.UNDOING, Phase.FAILED, Phase.EXITED, Phase.SUCCEEDED})


class GatewayHandlers:
    """The handlers of the gateway protocol."""

    def __init__(self, clusters: Clusters, settings: Settings) -> None:
        self._clusters = clusters
        self._spawns = clusters.spawns
        self._has_dashboards = settings.gateway.public_address is not None

    async def get_version(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"version": version("spawnpenny")})

    async def get_health(self, request: web.Request) -> web.Response:
        status = "pass" if self._spawns.is_ready(request) else "fail"
        return web.json_response({"status": status}, status=200 if status == "pass" else 503)

    async def get_options(self, request: web.Request) -> web.Response:
        query_of(request, NoQuerySchema)
        return web.json_response(
            {
                "cluster_options": [field_of(option) for option in self._spawns.cluster_options(request, DASK)],
                "worker_groups": [asdict(group) for group in self._spawns.worker_groups(request, DASK)],
            }
        )

    async def start(self, request: web.Request) -> web.Response:
        query, username = query_of(request, StartQuerySchema), user_of(request)
        body = await start_of(request, StartOfClusterBody(), username)
        start = query.start or secrets.token_hex(16)
        name = own_cluster_name(username, query.name) if query.name else cluster_name(username, start)
        spawn_request = SpawnRequest(start, body.cluster_options or {}, caller=identity_of(request).lab)
        await self._spawns.start(request, Key(DASK, name), spawn_request)
        self._spawns.note(request, cluster=name)
        return web.json_response({"name": name}, status=201)

    async def get_report(self, request: web.Request) -> web.Response:
        query = query_of(request, ClusterQuerySchema)
        spawn = self._clusters.find(request)
        if query.wait:
            await self._spawns.wait(request, spawn, lambda spawn: spawn.phase not in _UNDECIDED, HELD)
            _demand_up(spawn)
        facts = {"facts": self._facts(request, spawn)} if query.facts else {}
        return web.json_response({**self._full_report(request, spawn), **facts})

    async def list_reports(self, request: web.Request) -> web.Response:
        query = query_of(request, ClustersQuerySchema)
        spawns = self._spawns.list_of_user(request, DASK)
        return web.json_response(
            {spawn.key.name: report(spawn) for spawn in spawns if status_of(spawn.phase, spawn.reason) in query.status}
        )

    async def stop(self, request: web.Request) -> web.Response:
        query_of(request, NoQuerySchema)
        key = self._clusters.key_of(request)
        spawn = self._spawns.find(request, key)
        # The client also closes clusters that have failed: the reason stays readable.
        if spawn is not None and spawn.phase not in _ENDED:
            await self._spawns.stop(request, key)
        return web.Response(status=204)

    async def scale(self, request: web.Request) -> web.Response:
        query_of(request, NoQuerySchema)
        body = await body_of(request, ScaleToBody())
        group = check_group(body.group, self._spawns.worker_groups(request, DASK))

        def resized(now: Scale) -> Scale:
            scale = now if group != DEFAULT_GROUP else replace(now, minimum=0, maximum=None, adaptive=False)
            return scale.resized(group, body.count)

        return await self._scaled(request, resized, lambda scale: f"Scaling to {scale.of(group)} instead.")

    async def adapt(self, request: web.Request) -> web.Response:
        query_of(request, NoQuerySchema)
        body = await body_of(request, AdaptBody())
        self._clusters.find(request)

        def bounded(now: Scale) -> Scale:
            bounds = (body.minimum or 0, body.maximum) if body.active else (0, None)
            return replace(now, minimum=bounds[0], maximum=bounds[1], adaptive=body.active)

        return await self._scaled(
            request, bounded, lambda scale: f"Using `maximum={scale.maximum}, minimum={scale.minimum}` instead."
        )

    async def _scaled(
        self, request: web.Request, change: Callable[[Scale], Scale], instead: Callable[[Scale], str]
    ) -> web.Response:
        """Change the scale, as far as it fits. ``instead`` words the scale that fits, as dask-gateway does."""
        key = self._clusters.key_of(request)
        scaled = await self._spawns.scale(request, key, change)
        if scaled is None:
            raise DaskNotFoundError(user_of(request), key.name)
        refusal = scaled.refusal
        notice = (
            advised(refusal.code, f"{refusal.message} {instead(scaled.scale)}", refusal.advice) if refusal else None
        )
        return web.json_response({"ok": notice is None, "msg": notice})

    def _full_report(self, request: web.Request, spawn: SpawnState) -> dict[str, Any]:
        if spawn.phase is not Phase.RUNNING:
            return report(spawn)
        return full_report(spawn, ticket=self._spawns.new_ticket(request, spawn) if self._has_dashboards else None)

    def _facts(self, request: web.Request, spawn: SpawnState) -> dict[str, Any]:
        """Return further facts of a running cluster for our own client; dask-gateway's does not accept them."""
        if spawn.phase is not Phase.RUNNING:
            return {}
        workers = workers_of(self._spawns.pods(request).get(spawn.id, ()))
        return {"scheduler": spawn.url, "workers": workers.counts()}


def _demand_up(spawn: SpawnState) -> None:
    """Refuse to report a cluster that will not run.

    Raises:
        SpawnNotRunningError: The cluster has failed or ended, or is being stopped.
        DaskNotFoundError: The cluster was stopped meanwhile.

    """
    if spawn.gone:
        raise DaskNotFoundError(spawn.username, spawn.key.name)
    if spawn.phase in _ENDED and spawn.reason is not None:
        raise SpawnNotRunningError(explained(spawn.reason), phase=spawn.phase)
    if spawn.phase is Phase.STOPPING:
        raise SpawnNotRunningError(f"The Dask cluster {spawn.key.name!r} is being stopped.", phase=spawn.phase)

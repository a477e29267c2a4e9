"""Clusters scaled by the gateway protocol. What is answered is durable; what does not fit is cut, and told."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from spawnpenny.domain.spawns import Scale
from spawnpenny.errors import DaskNotFoundError, QuotaExceededError
from spawnpenny.gateway.refusals import advised
from spawnpenny.gateway.requests import AdaptBody, ScaleToBody
from spawnpenny.web.dask import find_cluster, key_of
from spawnpenny.web.exchange import exchange
from spawnpenny.web.intake import body_of, query_of, user_of
from spawnpenny.web.keys import SERVICE
from spawnpenny.web.requests import NoQuerySchema


async def scale_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    asked = await body_of(request, ScaleToBody())
    return await _scaled(request, Scale(asked.count))


async def adapt_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    asked = await body_of(request, AdaptBody())
    find_cluster(request)
    if not asked.active:
        return await _scaled(request, lambda now: Scale(now.count))
    return await _scaled(request, lambda now: Scale(now.count, asked.minimum or 0, asked.maximum, adaptive=True))


async def _scaled(request: web.Request, wanted: Scale | Callable[[Scale], Scale]) -> web.Response:
    username, key = user_of(request), key_of(request)
    scaled = await request.app[SERVICE].spawns.scale(username, key, wanted)
    if scaled is None:
        raise DaskNotFoundError(username, key.name)
    exchange(request).about(scaled.run)
    told = _cut(scaled.refusal, scaled.scale) if scaled.refusal else None
    return web.json_response({"ok": told is None, "msg": told})


def _cut(refusal: QuotaExceededError, scale: Scale) -> str:
    workers = "1 worker" if scale.count == 1 else f"{scale.count} workers"
    return advised(refusal.code, f"{refusal.message} The cluster is to have {workers} instead.")

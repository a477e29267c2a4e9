"""Scale clusters by the gateway protocol. The answer is durable; a scale that does not fit is cut, with a notice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from spawnpenny.dask.errors import DaskNotFoundError
from spawnpenny.dask.gateway.errors import advised
from spawnpenny.dask.gateway.schemas import AdaptBody, ScaleToBody
from spawnpenny.dask.rest import find_cluster, key_of
from spawnpenny.domain.spawns import DEFAULT_GROUP, Scale
from spawnpenny.domain.worker_groups import check_group
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.middleware.authorize import Access
from spawnpenny.web.request_context import request_context
from spawnpenny.web.request_parsing import body_of, query_of, user_of
from spawnpenny.web.route import Answer, Route
from spawnpenny.web.schemas.requests import NoQuerySchema


async def scale_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema)
    asked = await body_of(request, ScaleToBody())
    group = check_group(asked.group, request.app[SERVICE].plugins.worker_groups())

    def wanted(now: Scale) -> Scale:
        scale = now if group != DEFAULT_GROUP else replace(now, minimum=0, maximum=None, adaptive=False)
        return scale.resized(group, asked.count)

    return await _scaled(request, wanted, lambda scale: f"Scaling to {scale.of(group)} instead.")


async def adapt_cluster(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema)
    asked = await body_of(request, AdaptBody())
    find_cluster(request)

    def wanted(now: Scale) -> Scale:
        bounds = (asked.minimum or 0, asked.maximum) if asked.active else (0, None)
        return replace(now, minimum=bounds[0], maximum=bounds[1], adaptive=asked.active)

    return await _scaled(
        request, wanted, lambda scale: f"Using `maximum={scale.maximum}, minimum={scale.minimum}` instead."
    )


async def _scaled(
    request: web.Request, wanted: Callable[[Scale], Scale], instead: Callable[[Scale], str]
) -> web.Response:
    """Answer with what fits of a scale; ``instead`` says what that is, in the words of dask-gateway."""
    username, key = user_of(request), key_of(request)
    scaled = await request.app[SERVICE].spawns.scale(username, key, wanted)
    if scaled is None:
        raise DaskNotFoundError(username, key.name)
    request_context(request).about(scaled.run)
    refusal = scaled.refusal
    told = advised(refusal.code, f"{refusal.message} {instead(scaled.scale)}", refusal.advice) if refusal else None
    return web.json_response({"ok": told is None, "msg": told})


def scaling_routes(
    cluster: str, area: str, access: Access, answers: Mapping[int, Answer], **more: Any
) -> tuple[Route, Route]:
    """Return the routes that set the workers of the cluster at a path; ``area`` begins their names."""
    return (
        Route(
            "POST",
            f"{cluster}/scale",
            scale_cluster,
            access,
            f"{area}.scale",
            "Have a Dask cluster of so many workers.",
            answers,
            body=ScaleToBody,
            **more,
        ),
        Route(
            "POST",
            f"{cluster}/adapt",
            adapt_cluster,
            access,
            f"{area}.adapt",
            "Have a Dask cluster of as many workers as its work needs.",
            answers,
            body=AdaptBody,
            **more,
        ),
    )

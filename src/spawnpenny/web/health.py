"""Whether the service lives, whether it can serve, and what it has counted."""

from __future__ import annotations

from aiohttp import web
from marshmallow import Schema, fields
from prometheus_client import CONTENT_TYPE_LATEST

from spawnpenny.errors import NotReadyError
from spawnpenny.web.keys import METRICS, SERVICE


class HealthView(Schema):
    status = fields.String(required=True)


async def get_healthz(request: web.Request) -> web.Response:
    """Answer as long as the service can answer at all; what it depends on is the business of ``readyz``."""
    del request
    return web.json_response({"status": "ok"})


async def get_readyz(request: web.Request) -> web.Response:
    if not request.app[SERVICE].spawns.ready:
        raise NotReadyError
    return web.json_response({"status": "ready"})


async def get_metrics(request: web.Request) -> web.Response:
    """Answer also before the service is ready: that it is not is one of the metrics."""
    return web.Response(body=request.app[METRICS].text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

"""Whether the service lives, and whether it can serve."""

from __future__ import annotations

from aiohttp import web
from marshmallow import Schema, fields

from spawnpenny.errors import NotReadyError
from spawnpenny.web.keys import SERVICE


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

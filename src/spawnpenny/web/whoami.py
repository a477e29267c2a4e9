"""Show the identity behind a token, and its scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from marshmallow import Schema, fields

from spawnpenny.web.request_context import identity_of
from spawnpenny.web.request_parsing import query_of
from spawnpenny.web.schemas.requests import NoQuerySchema
from spawnpenny.web.schemas.responses import described

if TYPE_CHECKING:
    from spawnpenny.auth.identity import Identity


class IdentityView(Schema):
    """An identity."""

    name = fields.String(required=True, metadata=described("What records and the audit log call it."))
    username = fields.String(required=True, allow_none=True, metadata=described("The user that it speaks for, if any."))
    scopes = fields.List(fields.String(), required=True)


async def get_whoami(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    return web.json_response(identity_view(identity_of(request)))


def identity_view(identity: Identity) -> dict[str, object]:
    """Return an identity as IdentityView."""
    return {"name": identity.name, "username": identity.username, "scopes": sorted(identity.scopes)}

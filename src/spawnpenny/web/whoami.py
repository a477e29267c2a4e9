"""The identity of the caller: name, user and scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web
from marshmallow import Schema, fields

from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_context import identity_of
from spawnpenny.web.request_parsing import query_of
from spawnpenny.web.route import Answer, route
from spawnpenny.web.schemas.queries import NoQuerySchema
from spawnpenny.web.schemas.responses import described

if TYPE_CHECKING:
    from spawnpenny.auth.identity import Identity


class IdentityView(Schema):
    """The identity of a token."""

    name = fields.String(required=True, metadata=described("Its name in records and in the audit log."))
    username = fields.String(required=True, allow_none=True, metadata=described("The user it belongs to, if any."))
    scopes = fields.List(fields.String(), required=True)


@route(
    "GET",
    "/v1/whoami",
    authorize.ANY_SCOPE,
    "service.whoami",
    "Show the identity of the token, and its scopes.",
    {200: Answer("The identity.", IdentityView)},
)
async def get_whoami(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    return web.json_response(identity_view(identity_of(request)))


ROUTES: Final = (get_whoami,)


def identity_view(identity: Identity) -> dict[str, object]:
    """Return the JSON of an identity, as IdentityView describes it."""
    return {"name": identity.name, "username": identity.username, "scopes": sorted(identity.scopes)}

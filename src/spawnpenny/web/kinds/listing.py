"""The kinds of spawns of the loaded plugins, for clients that need no plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from marshmallow import Schema, fields

from spawnpenny.domain.kinds import FORM, Kind
from spawnpenny.serving.prefix import link_to
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.lab_kind import LAB
from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_parsing import query_of
from spawnpenny.web.route import USER_PATH, Answer, route
from spawnpenny.web.schemas.queries import NoQuerySchema
from spawnpenny.web.schemas.responses import described

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins


class KindView(Schema):
    """A kind of spawns."""

    name = fields.String(required=True)
    plural = fields.String(required=True, metadata=described("The segment of paths, and the member of lists."))
    title = fields.String(required=True, metadata=described("The name in sentences."))
    name_field = fields.String(
        required=True, metadata=described("The member of answers that has the name of a spawn, such as `name`.")
    )
    available = fields.Boolean(required=True, metadata=described("Whether a loaded plugin can start spawns of it."))
    scales = fields.Boolean(required=True, metadata=described("Whether it has workers."))
    minimum = fields.Integer(required=True, metadata=described("The workers that a start has to have room for."))
    maximum = fields.Integer(
        required=True, allow_none=True, metadata=described("The most workers; null: as many as fit the quota.")
    )
    completes = fields.Boolean(required=True, metadata=described("Whether it runs to completion."))
    ends_with_lab = fields.Boolean(required=True, metadata=described("Whether it may end with its lab."))
    dashboard = fields.Boolean(required=True, metadata=described("Whether it has a dashboard, and links to it."))
    from_labs = fields.Boolean(required=True, metadata=described("Whether labs may start it."))
    path = fields.String(required=True, metadata=described("The path of a user's spawns, with `{user}`."))
    form = fields.String(required=True, metadata=described("The path of the form, with `{user}`."))


class KindsView(Schema):
    kinds = fields.List(fields.Nested(KindView), required=True)


@route(
    "GET",
    "/v1/kinds",
    authorize.ANY_SCOPE,
    "kind.list",
    "List the kinds of spawns that the loaded plugins provide.",
    {200: Answer("All kinds, first those with lab tokens, by name.", KindsView)},
)
async def list_kinds(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    plugins = request.app[SERVICE].plugins
    views = [_view(request, kind, plugins) for kind in plugins.kinds.of_plugins]
    return web.json_response({"kinds": views})


ROUTES: Final = (list_kinds,)


def _view(request: web.Request, kind: Kind, plugins: Plugins) -> dict[str, Any]:
    path = link_to(request, f"{USER_PATH}/{kind.plural}")
    return {
        "name": kind.name,
        "plural": kind.plural,
        "title": kind.title,
        "name_field": kind.name_field,
        "available": plugins.provides(kind.name),
        "scales": kind.scales,
        "minimum": kind.minimum,
        "maximum": kind.maximum,
        "completes": kind.completes,
        "ends_with_lab": kind.ends_with_lab,
        "dashboard": kind.dashboard is not None,
        "from_labs": kind.from_labs,
        "path": path,
        "form": link_to(request, f"{USER_PATH}/{FORM}") if kind.name == LAB else f"{path}/{FORM}",
    }

"""Pipelines, with the reason for the place of each step, and plugins."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from marshmallow import Schema, fields

from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_parsing import query_of
from spawnpenny.web.route import Answer, route
from spawnpenny.web.schemas.queries import NoQuerySchema

if TYPE_CHECKING:
    from spawnpenny.pipeline.order import Ordered
    from spawnpenny.plugin.manager import Plugins


class PipelineStepView(Schema):
    name = fields.String(required=True)
    plugin = fields.String(required=True)
    scope = fields.String(required=True)
    why = fields.List(fields.String(), required=True)


class UnknownNameView(Schema):
    """An optional reference of a step to a name that no plugin has. It is ignored."""

    step = fields.String(required=True)
    word = fields.String(required=True)
    name = fields.String(required=True)


class PipelineView(Schema):
    """The steps of one kind of spawn, in order. The steps of one wave run at the same time."""

    kind = fields.String(required=True)
    steps = fields.List(fields.Nested(PipelineStepView), required=True)
    waves = fields.List(fields.List(fields.String()), required=True)
    ignored = fields.List(fields.Nested(UnknownNameView), required=True)


class PipelinesView(Schema):
    pipelines = fields.List(fields.Nested(PipelineView), required=True)


class PluginView(Schema):
    name = fields.String(required=True)
    distribution = fields.String(required=True)
    version = fields.String(required=True)
    module = fields.String(required=True)
    loaded = fields.Boolean(required=True)
    steps = fields.List(fields.String(), required=True)


class PluginsView(Schema):
    plugins = fields.List(fields.Nested(PluginView), required=True)


@route(
    "GET",
    "/v1/pipelines",
    authorize.ADMIN,
    "service.pipelines",
    "List the steps of each kind of spawn, in order, with the reasons for the order.",
    {200: Answer("All pipelines.", PipelinesView)},
)
async def get_pipelines(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    plugins = request.app[SERVICE].plugins
    views = [pipeline_view(pipeline, plugins) for pipeline in plugins.pipelines.values()]
    return web.json_response({"pipelines": views})


@route(
    "GET",
    "/v1/plugins",
    authorize.ADMIN,
    "service.plugins",
    "List the installed plugins.",
    {200: Answer("All plugins, by name.", PluginsView)},
)
async def get_plugins(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    return web.json_response({"plugins": [asdict(info) for info in request.app[SERVICE].plugins.infos()]})


ROUTES: Final = (get_pipelines, get_plugins)


def pipeline_view(pipeline: Ordered, plugins: Plugins) -> dict[str, Any]:
    """Return the JSON of a pipeline, as PipelineView describes it."""
    return {
        "kind": pipeline.kind,
        "steps": [
            {
                "name": step.name,
                "plugin": plugins.origin[step.name],
                "scope": step.scope,
                "why": pipeline.why(step.name),
            }
            for step in pipeline.steps
        ],
        "waves": [list(wave) for wave in pipeline.waves],
        "ignored": [{"step": step, "word": word, "name": name} for step, word, name in pipeline.unknown],
    }

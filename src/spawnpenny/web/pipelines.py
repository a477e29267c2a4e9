"""Routes that list the pipelines, with the reason for the place of each step, and the plugins."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web
from marshmallow import Schema, fields

from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.request_parsing import query_of
from spawnpenny.web.schemas.requests import NoQuerySchema

if TYPE_CHECKING:
    from spawnpenny.pipeline.order import Ordered
    from spawnpenny.plugin.manager import Plugins


class PipelineStepView(Schema):
    name = fields.String(required=True)
    plugin = fields.String(required=True)
    scope = fields.String(required=True)
    why = fields.List(fields.String(), required=True)


class UnknownNameView(Schema):
    """A soft name that no plugin knows; it is ignored."""

    step = fields.String(required=True)
    word = fields.String(required=True)
    name = fields.String(required=True)


class PipelineView(Schema):
    """The steps of one kind, in order; those of one wave run side by side."""

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


async def get_pipelines(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    plugins = request.app[SERVICE].plugins
    views = [pipeline_view(pipeline, plugins) for pipeline in plugins.pipelines.values()]
    return web.json_response({"pipelines": views})


async def get_plugins(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    return web.json_response({"plugins": [asdict(info) for info in request.app[SERVICE].plugins.infos()]})


def pipeline_view(pipeline: Ordered, plugins: Plugins) -> dict[str, Any]:
    """Return a pipeline as PipelineView."""
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

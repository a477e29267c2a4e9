"""Schemas of the answers about spawns of one kind, for the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields, validate

from spawnpenny.domain.kinds import Kind
from spawnpenny.web.schemas.responses import SpawnView, described, grace_field, next_field, unknown_field


class SpawnScaleView(Schema):
    """The desired workers."""

    count = fields.Integer(required=True, metadata=described("The desired number of workers."))
    minimum = fields.Integer(required=True)
    maximum = fields.Integer(required=True, allow_none=True, metadata=described("Null: as many as fit the quota."))
    adaptive = fields.Boolean(
        required=True, metadata=described("Whether the number of workers follows the work, within the bounds.")
    )


class WorkerCountsView(Schema):
    """The existing workers."""

    running = fields.Integer(required=True)
    pending = fields.Integer(required=True)


class SpawnResourcesView(Schema):
    """The amounts that count against the user's quota."""

    cpu = fields.String(required=True, metadata=described("Cores, as a Kubernetes quantity."))
    memory = fields.String(required=True, metadata=described("Bytes, as a Kubernetes quantity."))


class DelayView(Schema):
    """The cause of a delay."""

    code = fields.String(required=True, allow_none=True, metadata=described("For programs; null if nothing is wrong."))
    message = fields.String(required=True, metadata=described("One plain sentence."))


class SpawnScaledView(Schema):
    ok = fields.Boolean(required=True, metadata=described("Whether the whole scale fits."))
    msg = fields.String(required=True, allow_none=True, metadata=described("What does not fit, with the numbers."))
    scale = fields.Nested(SpawnScaleView, required=True)


@dataclass(frozen=True, slots=True)
class KindSchemas:
    """The schemas of one kind: of a spawn, of one that is stopping, and of the lists."""

    spawn: type[Schema]
    stopping: type[Schema]
    of_user: type[Schema]
    page: type[Schema]


def schemas_of(kind: Kind) -> KindSchemas:
    """Return the schemas of a kind that has no answers of its own."""
    name = kind.name.capitalize()
    spawn = _schema(f"{name}SpawnView", f"Spawns of the kind {kind.name}.", _fields(kind), SpawnView)
    stopping = _schema(f"Stopping{name}SpawnView", "A spawn that is being stopped.", {"grace": grace_field()}, spawn)
    items: dict[str, Any] = {kind.plural: fields.List(fields.Nested(spawn), required=True)}
    of_user = _schema(f"User{name}SpawnsView", "The spawns of one user.", items, Schema)
    more = {"next": next_field(), "unknown_": unknown_field(f"spawns of the kind {kind.name}")}
    page = _schema(f"{name}SpawnsView", "One page of spawns.", more, of_user)
    return KindSchemas(spawn, stopping, of_user, page)


def _fields(kind: Kind) -> dict[str, Any]:
    named: dict[str, Any] = {
        "kind": fields.String(required=True, validate=validate.Equal(kind.name)),
        "start": fields.String(required=True, metadata=described("The id of the start, as the caller sent it.")),
        "by": fields.String(required=True, metadata=described("The identity that started it; empty if unknown.")),
        "client": fields.String(
            required=True, allow_none=True, metadata=described("The name of the caller's program.")
        ),
        "lab": fields.String(
            required=True, allow_none=True, metadata=described("The lab that requested it, if a lab did.")
        ),
        "options": fields.Dict(required=True, metadata=described("The chosen options, without the secret ones.")),
        "resources": fields.Nested(SpawnResourcesView, required=True),
        "waiting_for": fields.Nested(
            DelayView,
            required=True,
            allow_none=True,
            metadata=described("Why most of the pods that do not run do not, if that is known."),
        ),
        "details": fields.Dict(required=True, metadata=described("What the plugin of the kind adds.")),
    }
    named[kind.name_field] = fields.String(required=True, metadata=described("The name."))
    if kind.scales:
        named["scale"] = fields.Nested(SpawnScaleView, required=True)
        named["workers"] = fields.Nested(WorkerCountsView, required=True)
        named["idle_since"] = fields.Float(
            required=True, allow_none=True, metadata=described("Since when nothing has run on it; null if it works.")
        )
    return named


def _schema(name: str, doc: str, members: dict[str, Any], base: type[Schema]) -> type[Schema]:
    return type(name, (base,), {"__doc__": doc, "__module__": __name__, **members})

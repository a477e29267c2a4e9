"""Schemas of Dask clusters in the REST API's responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields

from spawnpenny.api import Phase, Resources, Scale, WorkerGroup, format_quantity
from spawnpenny.api.http import SpawnView, described, grace_field, group_names, next_field, unknown_field
from spawnpenny_dask.rest.worker_counts import Workers

if TYPE_CHECKING:
    from spawnpenny.api.http import SpawnState


class ScaleView(Schema):
    count = fields.Integer(required=True, metadata=described("The desired number of workers."))
    minimum = fields.Integer(required=True)
    maximum = fields.Integer(required=True, allow_none=True, metadata=described("Null: as many as fit the quota."))
    adaptive = fields.Boolean(
        required=True, metadata=described("Whether the number of workers follows the work, within the bounds.")
    )


class WorkersView(Schema):
    running = fields.Integer(required=True)
    pending = fields.Integer(required=True)


class GroupWorkersView(WorkersView):
    desired = fields.Integer(required=True, metadata=described("The desired number of workers."))


class ResourcesView(Schema):
    cpu = fields.String(required=True, metadata=described("Cores, as a Kubernetes quantity."))
    memory = fields.String(required=True, metadata=described("Bytes, as a Kubernetes quantity."))


class WaitingView(Schema):
    """The cause of a delay."""

    code = fields.String(required=True, allow_none=True, metadata=described("For programs; null if nothing is wrong."))
    message = fields.String(required=True, metadata=described("One plain sentence."))


class DaskView(SpawnView):
    """A Dask cluster."""

    cluster = fields.String(required=True)
    scale = fields.Nested(ScaleView, required=True)
    workers = fields.Nested(WorkersView, required=True, metadata=described("The existing workers, of all groups."))
    groups = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(GroupWorkersView),
        required=True,
        metadata=described("By worker group."),
    )
    resources = fields.Nested(
        ResourcesView,
        required=True,
        metadata=described("The amounts of scheduler and workers that count against the user's quota."),
    )
    waiting_for = fields.Nested(
        WaitingView,
        required=True,
        allow_none=True,
        metadata=described("Why most of the pods that do not run do not, if that is known."),
    )
    idle_since = fields.Float(
        required=True,
        allow_none=True,
        metadata=described("Since when nothing has run on it, after a minute; null if it works, or has ended."),
    )
    options = fields.Dict(required=True, metadata=described("The chosen options, without the secret ones."))
    lab = fields.String(required=True, allow_none=True, metadata=described("The lab that requested it, if a lab did."))


class StoppingDaskView(DaskView):
    """A Dask cluster that is being stopped."""

    grace = grace_field()


class UserDaskView(Schema):
    clusters = fields.List(fields.Nested(DaskView), required=True)


class ClustersView(UserDaskView):
    next = next_field()
    unknown_ = unknown_field("clusters")


def dask_view(
    spawn: SpawnState,
    workers: Workers,
    groups: Sequence[WorkerGroup],
    waiting: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a Dask cluster as DaskView. ``groups`` are the worker groups that the site offers."""
    used = spawn.resources if spawn.active else Resources()
    return {
        "cluster": spawn.key.name,
        **spawn.view(),
        "scale": {name: value for name, value in asdict(spawn.scale).items() if name != "groups"},
        "workers": workers.counts(),
        "groups": _groups(spawn.scale, workers, groups),
        "resources": {"cpu": format_quantity(used.cpu), "memory": format_quantity(used.memory)},
        "waiting_for": waiting or _held_back(spawn),
        "idle_since": spawn.idle_since if spawn.phase is Phase.RUNNING else None,
        "options": spawn.options,
        "lab": spawn.caller.lab if spawn.caller else None,
    }


def _held_back(spawn: SpawnState) -> dict[str, Any] | None:
    held = spawn.held_back
    return {"code": held.code, "message": held.message} if held else None


def _groups(scale: Scale, workers: Workers, groups: Sequence[WorkerGroup]) -> dict[str, dict[str, int]]:
    """Return the counts of the offered groups, and of former groups that still have workers."""
    offered = group_names(groups)
    return {
        name: {"desired": scale.of(name) if name in offered else 0, **workers.groups.get(name, Workers()).counts()}
        for name in dict.fromkeys([*offered, *workers.groups])
    }

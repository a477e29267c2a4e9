"""What the API gives: the JSON of labs and users, and the schemas that describe it in the OpenAPI document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields, validate

from spawnpenny.domain.events import EventType
from spawnpenny.domain.spawns import Phase, StepState
from spawnpenny.web.requests import GroupSchema

if TYPE_CHECKING:
    from spawnpenny.pipeline.account import Account, Run


class ReasonView(Schema):
    code = fields.String(required=True)
    message = fields.String(required=True)


class StepView(Schema):
    name = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf([*StepState]))
    seconds = fields.Float(required=True, allow_none=True)


class LabView(Schema):
    """A lab. Times are seconds since the epoch. ``url`` answers once ``phase`` is ``running``."""

    user = fields.String(required=True)
    lab = fields.String(required=True)
    start = fields.String(required=True)
    spawn = fields.String(required=True, metadata={"description": "The id under which logs tell of it."})
    phase = fields.String(required=True, validate=validate.OneOf([*Phase]))
    url = fields.String(required=True, allow_none=True)
    reason = fields.Nested(ReasonView, required=True, allow_none=True)
    steps = fields.List(fields.Nested(StepView), required=True)
    requested_at = fields.Float(required=True)
    deadline = fields.Float(required=True)
    ended_at = fields.Float(required=True, allow_none=True)


class LabsView(Schema):
    labs = fields.List(fields.Nested(LabView), required=True)
    next = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "What to send as `after`; null on the last page."},
    )


class UserLabsView(Schema):
    labs = fields.List(fields.Nested(LabView), required=True)


class UserView(Schema):
    """A commissioned user. ``last_changed`` is in seconds since the epoch."""

    username = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["commissioning", "active", "failed"]))
    uid = fields.Integer(required=True)
    gid = fields.Integer(required=True)
    groups = fields.List(fields.Nested(GroupSchema), required=True)
    reason = fields.Nested(ReasonView, required=True, allow_none=True)
    last_changed = fields.Float(required=True)


class ProblemView(Schema):
    """A problem document (RFC 9457). Programs compare ``code``."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    instance = fields.String(required=True)
    request_id = fields.String(required=True)


def lab_view(username: str, run: Run) -> dict[str, Any]:
    """Return a lab as LabView. Never add the request to it whole: that has env."""
    record = run.record
    return {
        "user": username,
        "lab": record.key.name,
        "start": record.request.start,
        "spawn": record.id,
        "phase": record.phase,
        "url": record.url,
        "reason": asdict(record.reason) if record.reason else None,
        "steps": [asdict(step) for step in record.steps],
        "requested_at": record.requested_at,
        "deadline": record.deadline,
        "ended_at": record.ended_at,
    }


def user_view(account: Account, run: Run) -> dict[str, Any]:
    """Return a user as UserView; ``run`` is the commissioning."""
    record = run.record
    phases = [event for event in record.log.since(None) if event.type is EventType.PHASE]
    return {
        **account.record.user.dossier(),
        "status": _status(record.phase),
        "reason": asdict(record.reason) if record.reason else None,
        "last_changed": phases[-1].time if phases else record.requested_at,
    }


def _status(phase: Phase) -> str:
    """Return Moneypenny's word for it."""
    if phase is Phase.RUNNING:
        return "active"
    return "failed" if phase.over else "commissioning"

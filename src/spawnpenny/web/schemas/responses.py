"""Responses about labs and users: their JSON, and the schemas for the OpenAPI document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from marshmallow import INCLUDE, Schema, fields, validate

from spawnpenny.advice import advice
from spawnpenny.domain.events import Event, EventType
from spawnpenny.domain.spawns import Phase, Reason, StepState
from spawnpenny.web.schemas.users import GroupSchema

if TYPE_CHECKING:
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.user_state import UserState


_EPOCH: Final = "Seconds since the epoch."


def described(description: str) -> dict[str, str]:
    """Return the metadata of a field with a description for the OpenAPI document."""
    return {"description": description}


class ReasonView(Schema):
    """The reason of a failure or an end."""

    code = fields.String(required=True, metadata=described("A stable code for programs."))
    message = fields.String(required=True, metadata=described("One sentence for people."))
    advice = fields.String(required=True, allow_none=True, metadata=described("What the user can do about it."))
    exit_code = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described("The exit code of the program, if it ended and the code is known."),
    )


class StepView(Schema):
    name = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf([*StepState]))
    seconds = fields.Float(required=True, allow_none=True, metadata=described("The duration of the step."))


class SpawnView(Schema):
    """The fields that spawns of all kinds have."""

    user = fields.String(required=True)
    spawn = fields.String(required=True, metadata=described("The id of the spawn in the logs."))
    phase = fields.String(required=True, validate=validate.OneOf([*Phase]))
    url = fields.String(required=True, allow_none=True, metadata=described("The URL, once `phase` is `running`."))
    reason = fields.Nested(
        ReasonView,
        required=True,
        allow_none=True,
        metadata=described("Why it failed or ended; else null."),
    )
    steps = fields.List(fields.Nested(StepView), required=True)
    progress = fields.Integer(required=True, metadata=described("The progress, from 0 to 100."))
    requested_at = fields.Float(required=True, metadata=described(_EPOCH))
    deadline = fields.Float(required=True, metadata=described(_EPOCH))
    ended_at = fields.Float(required=True, allow_none=True, metadata=described(_EPOCH))


class LabView(SpawnView):
    """A lab."""

    lab = fields.String(required=True)
    start = fields.String(required=True, metadata=described("The id of the start, as the caller sent it."))
    by = fields.String(required=True, metadata=described("The identity that started the lab; empty if unknown."))
    client = fields.String(required=True, allow_none=True, metadata=described("The name of the caller's program."))


def grace_field() -> fields.Float:
    """Return the field ``grace`` of a view."""
    return fields.Float(required=True, metadata=described("The grace period of the pods, in seconds."))


class StoppingLabView(LabView):
    """A lab that is being stopped."""

    grace = grace_field()


def next_field() -> fields.String:
    """Return the field ``next`` of a view."""
    return fields.String(
        required=True,
        allow_none=True,
        metadata=described("The value of `after` for the next page; null on the last page."),
    )


def unknown_field(kind: str) -> fields.Field[Any]:
    """Return the field ``unknown`` of a view; ``kind`` is the plural of what is not listed."""
    return fields.List(  # Schema has an `unknown` of its own
        fields.String(),
        required=True,
        data_key="unknown",
        metadata=described(f"Users whose records cannot be read. Their {kind} are not listed, but may run."),
    )


class LabsView(Schema):
    labs = fields.List(fields.Nested(LabView), required=True)
    next = next_field()
    unknown_ = unknown_field("labs")


class UserLabsView(Schema):
    labs = fields.List(fields.Nested(LabView), required=True)


class HostnamesView(Schema):
    hostnames = fields.List(
        fields.String(), required=True, metadata=described("Alternative names for a certificate: `DNS:…` and `IP:…`.")
    )


class UserView(Schema):
    """A commissioned user."""

    username = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["commissioning", "active", "failed", "retiring"]))
    uid = fields.Integer(required=True)
    gid = fields.Integer(required=True)
    groups = fields.List(fields.Nested(GroupSchema), required=True)
    reason = fields.Nested(ReasonView, required=True, allow_none=True)
    last_changed = fields.Float(required=True, metadata=described(_EPOCH))


class FieldErrorView(Schema):
    field = fields.String(required=True)
    message = fields.String(required=True)


class ProblemView(Schema):
    """A problem document (RFC 9457). More members have the facts of the error."""

    class Meta:
        unknown = INCLUDE

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata=described("One sentence for people."))
    code = fields.String(required=True, metadata=described("A stable code for programs."))
    instance = fields.String(required=True, metadata=described("The path of the request."))
    request_id = fields.String(required=True, metadata=described("The id of the request in the log."))
    advice = fields.String(metadata=described("What the user can do about it, if anything."))
    errors = fields.List(
        fields.Nested(FieldErrorView), metadata=described("The fields of the request that are wrong, if any.")
    )


def lab_view(username: str, run: ActiveSpawn) -> dict[str, Any]:
    """Return the JSON of a lab, as LabView describes it."""
    record = run.record
    return {
        "lab": record.key.name,
        "start": record.request.start,
        **spawn_view(username, run),
        "by": record.started_by,
        "client": record.request.client or None,
    }


def spawn_view(username: str, run: ActiveSpawn) -> dict[str, Any]:
    """Return the fields of SpawnView. Never add the whole request: it has env."""
    record = run.record
    return {
        "user": username,
        "spawn": record.id,
        "phase": record.phase,
        "url": record.url,
        "reason": _reason(record.reason),
        "steps": [asdict(step) for step in record.steps],
        "progress": record.progress,
        "requested_at": record.requested_at,
        "deadline": record.deadline,
        "ended_at": record.ended_at,
    }


def user_view(user_state: UserState, run: ActiveSpawn) -> dict[str, Any]:
    """Return the JSON of a user, as UserView describes it; ``run`` is the commissioning."""
    record = run.record
    phases = [event for event in record.log.since(None) if event.type is EventType.PHASE]
    return {
        **user_state.record.user.dossier(),
        "status": _status(record.phase),
        "reason": _reason(record.reason),
        "last_changed": phases[-1].time if phases else record.requested_at,
    }


def user_event_view(event: Event) -> dict[str, Any]:
    """Return the JSON of a commissioning's event. Its phases are the words of ``status`` in UserView."""
    data = event.to_json()
    if event.type is EventType.PHASE and event.phase in set(Phase):
        data["phase"] = _status(Phase(event.phase))
        if event.message == event.phase:
            data["message"] = data["phase"]
    return data


def _reason(reason: Reason | None) -> dict[str, Any] | None:
    return {**asdict(reason), "advice": reason.advice or advice(reason.code)} if reason else None


def _status(phase: Phase) -> str:
    """Return Moneypenny's word for a phase."""
    if phase is Phase.RUNNING:
        return "active"
    if phase is Phase.STOPPING:
        return "retiring"
    return "failed" if phase.over else "commissioning"

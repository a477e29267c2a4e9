"""Requests about spawns of any kind: the body and the query of a start, of a stop, of a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.domain.spawns import MAX_CLIENT, Phase, Scale, SpawnRequest
from spawnpenny.web.schemas.fields import (
    MAX_WAIT,
    EnvField,
    OptionsField,
    QuerySecondsField,
    SecondsField,
    integer_field,
    start_field,
)
from spawnpenny.web.schemas.incoming import BodySchema, IncomingSchema, QuerySchema, field_messages
from spawnpenny.web.schemas.queries import PagedQuerySchema, PageQuery

MAX_WORKERS: Final = 1_000_000
_CLIENT: Final = f"a name of 1 to {MAX_CLIENT} printable characters"
_SCALE: Final = "an object with count"


def _printable(text: str) -> None:
    if not text.isprintable():
        raise ValidationError(f"has to be {_CLIENT}.")


class SpawnBody(BodySchema[SpawnRequest]):
    """The body of a request to start a spawn."""

    model: ClassVar[type] = SpawnRequest
    example: ClassVar[dict[str, Any]] = {"start": "9f1c2ab7", "options": {}, "timeout_s": 300}
    start = start_field(required=True)
    options = OptionsField(metadata={"type": "object", "description": "The user's choices, such as size and image."})
    env = EnvField(
        metadata={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "writeOnly": True,
            "description": "The environment variables of its programs. No answer contains them.",
        }
    )
    timeout = SecondsField(
        10,
        86_400,
        data_key="timeout_s",
        metadata={
            "description": "How many seconds the caller waits. The service gives up 5 seconds earlier, to say why."
        },
    )
    client = fields.String(
        validate=[validate.Length(1, MAX_CLIENT), _printable],
        error_messages=field_messages(_CLIENT),
        metadata={
            "description": "The name of the caller's program, if several programs use one token: a Hub sends its URL. "
            "Only the same program can replace this start."
        },
    )


class FirstScaleSchema(IncomingSchema[Scale]):
    """The number of workers to begin with."""

    model: ClassVar[type] = Scale
    error_messages = field_messages(_SCALE)
    count = integer_field(0, MAX_WORKERS, "a whole number", strict=True, required=True)


class ScalableSpawnBody(SpawnBody):
    """The body of a request to start a spawn with workers."""

    example: ClassVar[dict[str, Any]] = {**SpawnBody.example, "scale": {"count": 2}}
    scale = fields.Nested(
        FirstScaleSchema,
        error_messages=field_messages(_SCALE),
        metadata={"description": "The workers to begin with; none by default."},
    )


@dataclass(frozen=True, slots=True)
class StartQuery:
    replace: bool = False


class StartQuerySchema(QuerySchema[StartQuery]):
    model: ClassVar[type] = StartQuery
    replace = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        error_messages=field_messages("true or false"),
        metadata={"description": "First stop another start, if the same caller made it, instead of refusing."},
    )


@dataclass(frozen=True, slots=True)
class StopQuery:
    wait: float = 0
    start: str | None = None
    purge: str | None = None


class StopQuerySchema(QuerySchema[StopQuery]):
    model: ClassVar[type] = StopQuery
    wait = QuerySecondsField(
        0, MAX_WAIT, metadata={"description": "Answer when it is gone, or after this many seconds."}
    )
    start = start_field(required=False)


@dataclass(frozen=True, slots=True)
class ScaleTo:
    count: int
    group: str | None = None


class ScaleBody(BodySchema[ScaleTo]):
    """The number of workers that a spawn is to have."""

    model: ClassVar[type] = ScaleTo
    example: ClassVar[dict[str, Any]] = {"count": 4}
    count = integer_field(0, MAX_WORKERS, "a whole number", strict=True, required=True)
    group = fields.String(
        allow_none=True,
        error_messages=field_messages("null or the name of a worker group"),
        metadata={"description": "The worker group; null: `default`."},
    )


class PhasesField(fields.Field[frozenset[str]]):
    """Phases in any case, separated by commas."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> frozenset[str]:
        phases = frozenset(name.strip().lower() for name in value.split(","))
        if not phases <= set(Phase):
            raise ValidationError(f"has to be some of {', '.join(Phase)}, separated by commas.")
        return phases


def phases_field() -> PhasesField:
    one = "|".join("".join(f"[{letter.upper()}{letter.lower()}]" for letter in phase) for phase in Phase)
    return PhasesField(
        metadata={
            "type": "string",
            "pattern": f"^ *(?:{one}) *(?:, *(?:{one}) *)*$",
            "description": "Only spawns in these phases, in any case, separated by commas.",
        }
    )


@dataclass(frozen=True, slots=True)
class ListQuery:
    status: frozenset[str] | None = None


class ListQuerySchema(QuerySchema[ListQuery]):
    model: ClassVar[type] = ListQuery
    status = phases_field()


@dataclass(frozen=True, slots=True)
class ListPageQuery(PageQuery):
    status: frozenset[str] | None = None


class ListPageQuerySchema(PagedQuerySchema[ListPageQuery]):
    model: ClassVar[type] = ListPageQuery
    status = phases_field()

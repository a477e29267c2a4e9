"""Schemas of the dask-gateway protocol: requests as its client sends them, and answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from spawnpenny.api import OptionType
from spawnpenny.api.http import (
    MAX_OWN_CLUSTER,
    BodySchema,
    OptionsField,
    QuerySchema,
    described,
    field_messages,
    integer_field,
    is_own_cluster_name,
    start_field,
)
from spawnpenny_dask.gateway.reports import ACTIVE, Status
from spawnpenny_dask.rest.schemas import WorkersView

MAX_WORKERS: Final = 1_000_000
_OWN_NAME: Final = (
    f"1 to {MAX_OWN_CLUSTER} lower-case letters, digits and single hyphens, a letter first and no hyphen last"
)


def _check_own_name(name: str) -> None:
    if not is_own_cluster_name(name):
        raise ValidationError(f"has to be {_OWN_NAME}.")


@dataclass(frozen=True, slots=True)
class StartQuery:
    start: str | None = None
    name: str | None = None


class StartQuerySchema(QuerySchema[StartQuery]):
    model: ClassVar[type] = StartQuery
    start = start_field(required=False)
    name = fields.String(
        validate=_check_own_name,
        error_messages=field_messages(_OWN_NAME),
        metadata={
            "pattern": "^[a-z](-?[a-z0-9])*$",
            "minLength": 1,
            "maxLength": MAX_OWN_CLUSTER,
            "description": "A name that the user chooses. Without it the service makes one.",
        },
    )


@dataclass(frozen=True, slots=True)
class StartOfCluster:
    cluster_options: dict[str, Any] | None = None


class StartOfClusterBody(BodySchema[StartOfCluster]):
    """The body of a request to start a Dask cluster."""

    model: ClassVar[type] = StartOfCluster
    example: ClassVar[dict[str, Any]] = {"cluster_options": {"worker_cores": 2}}
    cluster_options = OptionsField(
        allow_none=True,
        metadata={"type": "object", "description": "The chosen options. The others have their defaults."},
    )


@dataclass(frozen=True, slots=True)
class ScaleTo:
    count: int
    group: str | None = None


class ScaleToBody(BodySchema[ScaleTo]):
    """The number of workers that a cluster is to have."""

    model: ClassVar[type] = ScaleTo
    example: ClassVar[dict[str, Any]] = {"count": 4}
    count = integer_field(0, MAX_WORKERS, "a whole number", strict=True, required=True)
    group = fields.String(
        allow_none=True,
        error_messages=field_messages("null or the name of a worker group"),
        metadata={"description": "The worker group; null: `default`."},
    )


@dataclass(frozen=True, slots=True)
class Adapt:
    minimum: int | None = None
    maximum: int | None = None
    active: bool = True


def _bound(what: str) -> fields.Integer:
    return integer_field(
        0, MAX_WORKERS, "null or a whole number", strict=True, allow_none=True, metadata={"description": what}
    )


class AdaptBody(BodySchema[Adapt]):
    """The bounds of a cluster whose number of workers follows its work."""

    model: ClassVar[type] = Adapt
    example: ClassVar[dict[str, Any]] = {"minimum": 0, "maximum": 10, "active": True}
    minimum = _bound("Null: 0.")
    maximum = _bound("Null: as many as fit the quota.")
    active = fields.Boolean(
        truthy={True},
        falsy={False},
        error_messages=field_messages("true or false"),
        metadata={"description": "False: the cluster keeps the workers that it has."},
    )

    @validates_schema
    def _check_bounds(self, data: dict[str, Any], **kwargs: Any) -> None:
        least, most = data.get("minimum") or 0, data.get("maximum")
        if most is not None and least > most:
            raise ValidationError(f"is {least}, more than the maximum, {most}.", "minimum")


class FlagField(fields.Field[bool]):
    """A flag of a query as dask-gateway reads it: ``?wait`` and ``?wait=1`` are true; 0 and texts are false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        try:
            return value == "" or bool(int(value))
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class ClusterQuery:
    wait: bool = False
    facts: bool = False


class ClusterQuerySchema(QuerySchema[ClusterQuery]):
    model: ClassVar[type] = ClusterQuery
    wait = FlagField(
        metadata={
            "type": "string",
            "description": "Empty, or not 0: answer when the cluster runs or has failed, or after 20 s.",
        }
    )
    facts = FlagField(
        metadata={
            "type": "string",
            "description": "Empty, or not 0: add the member `facts`, which dask-gateway's client does not accept.",
        }
    )


def one_or_more(statuses: Iterable[str]) -> str:
    """Return a pattern of names in any case, separated by commas. JSON Schema has no flag for any case."""
    one = "|".join("".join(f"[{letter.upper()}{letter.lower()}]" for letter in name) for name in statuses)
    return f"^ *(?:{one}) *(?:, *(?:{one}) *)*$"


class StatusesField(fields.Field[frozenset[Status]]):
    """Names of statuses in any case, separated by commas."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> frozenset[Status]:
        try:
            return frozenset(Status(name.strip().upper()) for name in value.split(","))
        except ValueError:
            raise ValidationError(
                f"has to be some of {', '.join(status.lower() for status in Status)}, separated by commas."
            ) from None


@dataclass(frozen=True, slots=True)
class ClustersQuery:
    status: frozenset[Status] = ACTIVE


class ClustersQuerySchema(QuerySchema[ClustersQuery]):
    model: ClassVar[type] = ClustersQuery
    status = StatusesField(
        metadata={
            "type": "string",
            "pattern": one_or_more(Status),
            "description": "Only clusters of these statuses, in any case, separated by commas. The default is "
            "`pending,running`.",
        }
    )


class GatewayErrorView(Schema):
    error = fields.String(required=True, metadata=described("One or two plain sentences, which the client shows."))


class GatewayVersionView(Schema):
    version = fields.String(required=True)


class FieldSpecView(Schema):
    type = fields.String(required=True, validate=validate.OneOf([*OptionType]))
    min = fields.Float(allow_none=True)
    max = fields.Float(allow_none=True)
    options = fields.List(fields.String(), metadata=described("The choices of a `select`."))


class ClusterFieldView(Schema):
    """A cluster option."""

    field = fields.String(required=True)
    label = fields.String(required=True)
    default = fields.Raw(required=True)
    spec = fields.Nested(FieldSpecView, required=True)
    description = fields.String(required=True)
    unit = fields.String(metadata=described("The unit of a number, such as `GiB` or `minutes`, if it has one."))


class WorkerGroupView(Schema):
    """A worker group that the site offers."""

    name = fields.String(required=True, metadata=described("The name; `scale` takes it as `group`."))
    cores = fields.Float(required=True, metadata=described("Cores of one worker."))
    memory = fields.Integer(required=True, metadata=described("Bytes of one worker."))
    maximum = fields.Integer(required=True, metadata=described("The most workers of this group in one cluster."))
    label = fields.String(required=True)
    description = fields.String(required=True)


class ClusterOptionsView(Schema):
    cluster_options = fields.List(fields.Nested(ClusterFieldView), required=True)
    worker_groups = fields.List(fields.Nested(WorkerGroupView), required=True)


class StartedClusterView(Schema):
    name = fields.String(required=True)


class FactsView(Schema):
    """The facts of a running cluster, beside its options; empty until it runs."""

    scheduler = fields.String(allow_none=True, metadata=described("The address of the scheduler."))
    workers = fields.Nested(WorkersView, metadata=described("The existing workers."))


class ReportView(Schema):
    """A report: a Dask cluster as dask-gateway's client reads it."""

    name = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf([*Status]))
    start_time = fields.Integer(required=True, metadata=described("Milliseconds since the epoch."))
    stop_time = fields.Integer(required=True, allow_none=True)
    options = fields.Dict(
        required=True,
        metadata=described(
            "The chosen options, without the secret ones. A client can send them again, for another cluster."
        ),
    )
    dashboard_route = fields.String(
        required=True, allow_none=True, metadata=described("A path below `public_address`, with a new one-time ticket.")
    )
    tls_cert = fields.String(
        required=True, allow_none=True, metadata=described("A new certificate, made for this answer; null in lists.")
    )
    tls_key = fields.String(required=True, allow_none=True)
    facts = fields.Nested(FactsView, metadata=described("Only if the query has `facts`."))


class ScaledView(Schema):
    ok = fields.Boolean(required=True, metadata=described("Whether the whole scale fits."))
    msg = fields.String(required=True, allow_none=True, metadata=described("What does not fit, with the numbers."))

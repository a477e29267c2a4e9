"""Schemas of the gateway's requests: bodies and queries as dask-gateway's client sends them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validates_schema

from spawnpenny.dask.gateway.status import ACTIVE, Status
from spawnpenny.domain.names import MAX_OWN_CLUSTER, is_own_cluster_name
from spawnpenny.web.schemas.requests import BodySchema, OptionsField, QuerySchema, integer, start_field, wordings

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
        error_messages=wordings(_OWN_NAME),
        metadata={
            "pattern": "^[a-z](-?[a-z0-9])*$",
            "minLength": 1,
            "maxLength": MAX_OWN_CLUSTER,
            "description": "A name of the user's own, by which the cluster is found, too; made up if left out.",
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
        metadata={"type": "object", "description": "What was chosen; the defaults stand for all else."},
    )


@dataclass(frozen=True, slots=True)
class ScaleTo:
    count: int
    group: str | None = None


class ScaleToBody(BodySchema[ScaleTo]):
    """The number of workers that a cluster is to have."""

    model: ClassVar[type] = ScaleTo
    example: ClassVar[dict[str, Any]] = {"count": 4}
    count = integer(0, MAX_WORKERS, "a whole number", strict=True, required=True)
    group = fields.String(
        allow_none=True,
        error_messages=wordings("null or the name of a worker group"),
        metadata={"description": "The group of workers; `default` where it is null."},
    )


@dataclass(frozen=True, slots=True)
class Adapt:
    minimum: int | None = None
    maximum: int | None = None
    active: bool = True


def _bound(what: str) -> fields.Integer:
    return integer(
        0, MAX_WORKERS, "null or a whole number", strict=True, allow_none=True, metadata={"description": what}
    )


class AdaptBody(BodySchema[Adapt]):
    """The bounds within which a cluster's work decides its number of workers."""

    model: ClassVar[type] = Adapt
    example: ClassVar[dict[str, Any]] = {"minimum": 0, "maximum": 10, "active": True}
    minimum = _bound("0 where it is null.")
    maximum = _bound("As many as there is room for where it is null.")
    active = fields.Boolean(
        truthy={True},
        falsy={False},
        error_messages=wordings("true or false"),
        metadata={"description": "With false, the cluster keeps the workers that it has."},
    )

    @validates_schema
    def _check_bounds(self, data: dict[str, Any], **kwargs: Any) -> None:
        least, most = data.get("minimum") or 0, data.get("maximum")
        if most is not None and least > most:
            raise ValidationError(f"is {least}, more than the maximum, {most}.", "minimum")


class FlagField(fields.Field[bool]):
    """A flag of a query as dask-gateway reads it: ``?wait`` and ``?wait=1`` say yes; 0, and what is no number, no."""

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
            "description": "Empty, or not 0: answer when it runs or has failed, or after 20 s.",
        }
    )
    facts = FlagField(
        metadata={
            "type": "string",
            "description": "Empty, or not 0: with the member `facts`, which dask-gateway's client does not take.",
        }
    )


def one_or_more(statuses: Iterable[str]) -> str:
    """Return what names in any case with commas look like, for JSON Schema, which has no flag for that."""
    one = "|".join("".join(f"[{letter.upper()}{letter.lower()}]" for letter in name) for name in statuses)
    return f"^ *(?:{one}) *(?:, *(?:{one}) *)*$"


class StatusesField(fields.Field[frozenset[Status]]):
    """Names of statuses in any case, with commas."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> frozenset[Status]:
        try:
            return frozenset(Status(name.strip().upper()) for name in value.split(","))
        except ValueError:
            raise ValidationError(f"has to be of {', '.join(each.lower() for each in Status)}, with commas.") from None


@dataclass(frozen=True, slots=True)
class ClustersQuery:
    status: frozenset[Status] = ACTIVE


class ClustersQuerySchema(QuerySchema[ClustersQuery]):
    model: ClassVar[type] = ClustersQuery
    status = StatusesField(
        metadata={
            "type": "string",
            "pattern": one_or_more(Status),
            "description": "Which ones, in any case, with commas; `pending,running` if left out.",
        }
    )

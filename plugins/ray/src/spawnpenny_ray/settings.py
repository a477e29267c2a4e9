"""Settings of the Ray plugin: the pods of a cluster, its bounds, and when it ends by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import QuantityField, schema_of

IMAGE: Final = "spawnpenny/lab"
GIB: Final = 2**30
_LEAST_MEMORY: Final = Decimal(2**29)
_STORE_SHARE: Final = Decimal("0.3")
_LEAST_STORE: Final = 80 * 2**20
"""Bytes below which Ray refuses an object store."""


class _CoresField(QuantityField):
    """Cores, more than none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        quantity = super()._deserialize(value, attr, data, **kwargs)
        if not quantity:
            raise ValidationError("This has to be more than 0.")
        return quantity


class _MemoryField(QuantityField):
    """Memory: a number is in GiB, a string is a Kubernetes quantity."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        quantity = super()._deserialize(value, attr, data, **kwargs)
        amount = Decimal(int(quantity if isinstance(value, str) else quantity * GIB))
        if amount < _LEAST_MEMORY:
            raise ValidationError(
                f"{value} is less than 512 MiB, which Ray's own processes need. A number is in GiB; a text needs a "
                "unit, such as 2Gi."
            )
        return amount


Count = Annotated[int, fields.Integer(strict=True, validate=validate.Range(min=1))]
Cores = Annotated[Decimal, _CoresField(of="cpu")]
Memory = Annotated[Decimal, _MemoryField()]
Seconds = Annotated[float, fields.Float(validate=validate.Range(min=0))]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """The settings of one kind of pod: cores and bytes, and placement."""

    cores: Cores = Decimal(1)
    memory: Memory = Decimal(2 * GIB)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    priority_class_name: str | None = None

    @property
    def object_store(self) -> int:
        """The bytes of Ray's object store, which is a part of the pod's memory."""
        return max(_LEAST_STORE, int(self.memory * _STORE_SHARE))


@dataclass(frozen=True, slots=True)
class RaySettings:
    """Settings of Ray clusters.

    ``image`` is for all clusters. None: the image of the calling lab, or ``fallback_image`` without a lab. Timeouts and
    ``lifetime`` are in seconds; 0: never.
    """

    image: str | None = None
    fallback_image: str = IMAGE
    image_pull_policy: PullPolicy | None = None
    image_pull_secrets: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    head: Role = field(default_factory=lambda: Role(cores=Decimal(2), memory=Decimal(4 * GIB)))
    worker: Role = field(default_factory=Role)
    max_workers: Count = 20
    idle_timeout: Seconds = 1800
    lifetime: Seconds = 0
    end_with_lab: bool = False

    def __post_init__(self) -> None:
        for name in self.environment:
            if name.startswith("RAY_AUTH_"):
                raise ValidationError(f"spawnpenny sets {name!r} itself.", "environment")


RaySettingsSchema: Final = schema_of(RaySettings)

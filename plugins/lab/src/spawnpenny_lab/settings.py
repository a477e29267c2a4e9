"""The settings of the lab plugin: sizes and images that a request may choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from marshmallow import fields, validate

from spawnpenny.api import QuantityField, StrictSchema


@dataclass(frozen=True, slots=True)
class Size:
    """What a lab may use, and what is kept free for it (guarantees; None for as much): cores and bytes."""

    cpu: Decimal
    memory: Decimal
    cpu_guarantee: Decimal | None = None
    memory_guarantee: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LabSettings:
    """What a lab can be. The first size and the first image are the defaults."""

    sizes: Mapping[str, Size] = field(default_factory=lambda: {"small": Size(Decimal(1), Decimal(2 * 2**30))})
    images: Mapping[str, str] = field(default_factory=lambda: {"default": "spawnpenny/lab"})
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 8888
    grace: int = 10
    internal_ssl: bool = False


class _SizeSchema(StrictSchema[Size]):
    makes = Size
    cpu = QuantityField(required=True)
    memory = QuantityField(required=True)
    cpu_guarantee = QuantityField()
    memory_guarantee = QuantityField()


class LabSettingsSchema(StrictSchema[LabSettings]):
    makes = LabSettings
    sizes = fields.Dict(keys=fields.String(), values=fields.Nested(_SizeSchema), validate=validate.Length(min=1))
    images = fields.Dict(keys=fields.String(), values=fields.String(), validate=validate.Length(min=1))
    command = fields.List(fields.String())
    environment = fields.Dict(keys=fields.String(), values=fields.String())
    port = fields.Integer(strict=True, validate=validate.Range(1, 65535))
    grace = fields.Integer(strict=True, validate=validate.Range(0, 600))
    internal_ssl = fields.Boolean()

"""What one user may use.

Adds the step ``quota``: one ResourceQuota and one LimitRange in each user namespace, and a refusal in plain
numbers before anything is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from marshmallow import fields, validate

from spawnpenny.api import (
    Manifest,
    QuantityField,
    QuotaExceededError,
    Settings,
    Spawn,
    Step,
    StrictSchema,
    allow,
    format_quantity,
    hookimpl,
)


@dataclass(frozen=True, slots=True)
class ContainerDefaults:
    """The limits of a container that names none: cores and bytes."""

    cpu: Decimal = Decimal("0.5")
    memory: Decimal = Decimal(512 * 2**20)


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """What one user may use at a time: labs, cores, bytes."""

    labs: int = 3
    cpu: Decimal = Decimal(8)
    memory: Decimal = Decimal(16 * 2**30)
    container: ContainerDefaults = ContainerDefaults()


class _ContainerSchema(StrictSchema[ContainerDefaults]):
    makes = ContainerDefaults
    cpu = QuantityField()
    memory = QuantityField()


class QuotaSettingsSchema(StrictSchema[QuotaSettings]):
    makes = QuotaSettings
    labs = fields.Integer(strict=True, validate=validate.Range(min=0, max=10))
    cpu = QuantityField()
    memory = QuantityField()
    container = fields.Nested(_ContainerSchema)


def resource_quota(settings: QuotaSettings) -> Manifest:
    """Return the ResourceQuota of a user namespace."""
    hard = {"limits.cpu": format_quantity(settings.cpu), "limits.memory": format_quantity(settings.memory)}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "spawnpenny"},
        "spec": {"hard": hard},
    }


def limit_range(settings: QuotaSettings) -> Manifest:
    """Return the LimitRange of a user namespace: with a quota on limits, Kubernetes refuses containers without any."""
    default = {
        "cpu": format_quantity(settings.container.cpu),
        "memory": format_quantity(settings.container.memory),
    }
    limits = [{"type": "Container", "default": default, "defaultRequest": default}]
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "spawnpenny"},
        "spec": {"limits": limits},
    }


class QuotaStep(Step):
    """Limit what all of a user's pods use together."""

    name = "quota"
    kinds = frozenset({"lab", "dask"})
    scope = "user"
    needs = frozenset({"namespace"})
    before = frozenset({"lab", "dask"})
    permissions = (
        allow("create", "patch", on="resourcequotas"),
        allow("create", "patch", on="limitranges"),
    )

    def __init__(self, settings: QuotaSettings) -> None:
        self._settings = settings

    def check(self, spawn: Spawn) -> None:
        asked, used, limit = spawn.asks, spawn.in_use, self._settings
        if asked.labs and used.labs + asked.labs > limit.labs:
            raise QuotaExceededError("labs", asked=str(asked.labs), used=str(used.labs), limit=str(limit.labs))
        for name, wanted, there, most in (
            ("cpu", asked.cpu, used.cpu, limit.cpu),
            ("memory", asked.memory, used.memory, limit.memory),
        ):
            if wanted + there > most:
                raise QuotaExceededError(
                    name,
                    asked=format_quantity(wanted),
                    used=format_quantity(there),
                    limit=format_quantity(most),
                )

    def makes(self, spawn: Spawn) -> list[Manifest]:
        return [resource_quota(self._settings), limit_range(self._settings)]


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    return [QuotaStep(settings.load("quota", QuotaSettingsSchema()))]

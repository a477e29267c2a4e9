"""Limit the resources of each user.

The step ``quota`` creates one ResourceQuota and one LimitRange in each user namespace. It refuses a request that does
not fit, with the numbers, before anything is created.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Final

from marshmallow import fields, validate

from spawnpenny.api import (
    Manifest,
    PlannedSpawn,
    QuantityField,
    QuotaExceededError,
    Settings,
    SettingsError,
    Step,
    allow,
    format_quantity,
    hookimpl,
    schema_of,
)

Cores = Annotated[Decimal, QuantityField(of="cpu")]
Bytes = Annotated[Decimal, QuantityField(of="memory")]
_COUNT: Final = fields.Integer(strict=True, validate=validate.Range(min=0, max=10))
_LAB: Final = "lab"
_TOO_LARGE: Final = "Choose something smaller: this is more than your limit, whatever else runs."


@dataclass(frozen=True, slots=True)
class ContainerDefaults:
    """The limits of a container without limits, in cores and bytes."""

    cpu: Cores = Decimal("0.5")
    memory: Bytes = Decimal(512 * 2**20)


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """The limits of one user: spawns of each kind, cores and bytes at the same time. None for no limit.

    ``spawns`` are numbers by kind. ``labs`` is that of the kind ``lab``, if ``spawns`` has none.
    """

    labs: Annotated[int, _COUNT] = 3
    spawns: Annotated[Mapping[str, int], fields.Dict(keys=fields.String(), values=_COUNT)] = field(default_factory=dict)
    cpu: Cores | None = Decimal(8)
    memory: Bytes | None = Decimal(16 * 2**30)
    container: ContainerDefaults = ContainerDefaults()

    def most(self, kind: str) -> tuple[int, str] | None:
        """Return how many spawns of a kind a user may have, and the setting that says so; None for no limit."""
        if kind in self.spawns:
            return self.spawns[kind], f"plugins.quota.spawns.{kind}"
        return (self.labs, "plugins.quota.labs") if kind == _LAB else None

    @property
    def bounds(self) -> dict[str, Decimal]:
        """The limit of all containers together, by resource."""
        return {name: most for name, most in (("cpu", self.cpu), ("memory", self.memory)) if most is not None}

    @property
    def defaults(self) -> dict[str, Decimal]:
        """The limits of a container without limits, as a quota refuses it otherwise."""
        own = {"cpu": self.container.cpu, "memory": self.container.memory}
        return {name: own[name] for name in self.bounds}


def resource_quota(settings: QuotaSettings) -> Manifest:
    """Return the ResourceQuota of a user namespace."""
    hard = {f"limits.{name}": format_quantity(most) for name, most in settings.bounds.items()}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "spawnpenny"},
        "spec": {"hard": hard},
    }


def limit_range(settings: QuotaSettings) -> Manifest:
    """Return the LimitRange of a user namespace. Without it, the quota would refuse containers without limits."""
    default = {name: format_quantity(limit) for name, limit in settings.defaults.items()}
    limits = [{"type": "Container", "default": default, "defaultRequest": default}] if default else []
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "spawnpenny"},
        "spec": {"limits": limits},
    }


class QuotaStep(Step):
    """Limit the resources that all pods of a user have together."""

    name = "quota"
    scope = "user"
    needs = frozenset({"namespace"})
    before = frozenset({"*"})
    permissions = (
        allow("create", "patch", on="resourcequotas"),
        allow("create", "patch", on="limitranges"),
    )

    def __init__(self, settings: QuotaSettings) -> None:
        self._settings = settings

    def check(self, spawn: PlannedSpawn) -> None:
        self._check_number(spawn)
        requested, used = spawn.resources, spawn.resources_in_use
        for name, most in self._settings.bounds.items():
            desired, existing = getattr(requested, name), getattr(used, name)
            if desired + existing > most:
                raise QuotaExceededError(
                    name,
                    requested=format_quantity(desired),
                    used=format_quantity(existing),
                    limit=format_quantity(most),
                    advice=_TOO_LARGE if desired > most else None,
                )

    def _check_number(self, spawn: PlannedSpawn) -> None:
        limit = self._settings.most(spawn.kind)
        used = spawn.resources_in_use.count(spawn.kind)
        if limit is not None and used + 1 > limit[0]:
            most, setting = limit
            titles = spawn.kinds[spawn.kind].titles
            raise QuotaExceededError(titles, requested="1", used=str(used), limit=str(most), setting=setting)

    def verify(self, spawn: PlannedSpawn, limits: Mapping[str, Decimal]) -> None:
        unknown = sorted(set(self._settings.spawns) - set(spawn.kinds))
        if unknown:
            raise SettingsError(
                f"plugins.quota.spawns: no loaded plugin provides the kind {unknown[0][:63]!r}. "
                f"The kinds are {', '.join(kind.name for kind in spawn.kinds.of_plugins)}."
            )

    def container_limits(self) -> Mapping[str, Decimal]:
        return self._settings.defaults

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [resource_quota(self._settings), limit_range(self._settings)]


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    return [QuotaStep(settings.load("quota", schema_of(QuotaSettings)()))]

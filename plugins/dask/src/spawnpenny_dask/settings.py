"""Settings of the Dask plugin: the pods of a cluster, the options of users, and the shutdown policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import (
    DEFAULT_GROUP,
    ClusterOption,
    InvalidOptionError,
    OptionType,
    WorkerGroup,
    schema_of,
)
from spawnpenny_dask.groups import GroupSettings, GroupsField
from spawnpenny_dask.options import OptionsField, SiteOption
from spawnpenny_dask.overrides import checked_environment
from spawnpenny_dask.roles import GIB, Role, WorkerRole

IMAGE: Final = "spawnpenny/lab"


def _usual_options() -> dict[str, SiteOption]:
    return {
        "worker_cores": SiteOption(OptionType.FLOAT, label="Cores of a worker", sets="worker_cores"),
        "worker_memory": SiteOption(OptionType.FLOAT, label="Memory of a worker (GiB)", sets="worker_memory"),
        "environment": SiteOption(OptionType.MAPPING, label="Environment variables", sets="environment"),
    }


Count = Annotated[int, fields.Integer(strict=True, validate=validate.Range(min=0))]
Seconds = Annotated[float, fields.Float(validate=validate.Range(min=0))]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]


@dataclass(frozen=True, slots=True)
class DaskSettings:
    """Settings of Dask clusters.

    ``image`` is for all clusters. None: the image of the calling lab, or ``fallback_image`` without a lab. Timeouts and
    ``lifetime`` are in seconds; 0: never.
    """

    image: str | None = None
    fallback_image: str = IMAGE
    image_pull_policy: PullPolicy | None = None
    image_pull_secrets: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    scheduler: Role = field(default_factory=Role)
    worker: WorkerRole = field(default_factory=WorkerRole)
    worker_groups: Annotated[Mapping[str, GroupSettings], GroupsField()] = field(default_factory=dict)
    options: Annotated[Mapping[str, SiteOption], OptionsField()] = field(default_factory=_usual_options)
    max_clusters: Count = 5
    max_workers: Count = 100
    idle_timeout: Seconds = 1800
    client_timeout: Seconds = 0
    lifetime: Seconds = 0
    end_with_lab: bool = False

    def __post_init__(self) -> None:
        try:
            checked_environment(self.environment)
        except InvalidOptionError as error:
            raise ValidationError(error.message, "environment") from None
        for option in self.offered():
            try:
                option.check(option.default)
            except InvalidOptionError as error:
                default = f"Its default, from the other settings, is {option.default!r}. Set another default."
                message = f"{error.message} {default}"
                raise ValidationError({option.name: [message]}, "options") from None

    def maximum_of(self, group: str) -> int:
        """Return the most workers of a group in one cluster."""
        settings = self.worker_groups.get(group)
        own = settings.maximum if settings else None
        return self.max_workers if own is None else min(own, self.max_workers)

    def groups(self) -> list[WorkerGroup]:
        """Return the worker groups as clients see them, the default one first."""
        roles = {DEFAULT_GROUP: self.worker}
        roles |= {name: group.role(name, self.worker) for name, group in self.worker_groups.items()}
        texts = {name: (group.label, group.description) for name, group in self.worker_groups.items()}
        return [
            WorkerGroup(name, float(role.cores), int(role.memory), self.maximum_of(name), *texts.get(name, ()))
            for name, role in roles.items()
        ]

    def offered(self) -> list[ClusterOption]:
        """Return the options as clients see them. Their defaults are the settings of a cluster without choices."""
        own: dict[str, Any] = {
            "worker_cores": float(self.worker.cores),
            "worker_memory": float(self.worker.memory / GIB),
            "worker_threads": self.worker.nthreads,
            "scheduler_cores": float(self.scheduler.cores),
            "scheduler_memory": float(self.scheduler.memory / GIB),
            "idle_timeout": self.idle_timeout,
            "environment": {},
            "image": "",
        }
        return [option.offered(name, _default(option, own)) for name, option in self.options.items()]


def _default(option: SiteOption, own: Mapping[str, Any]) -> Any:
    if option.sets is None:
        return False if option.type is OptionType.BOOL else None
    value = own[option.sets]
    if option.unit is not None:
        value = option.in_unit(value)
    return int(value) if option.type is OptionType.INT and value == int(value) else value


DaskSettingsSchema: Final = schema_of(DaskSettings)

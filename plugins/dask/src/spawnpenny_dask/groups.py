"""Settings of the worker groups beside the default one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from marshmallow import ValidationError, validate
from marshmallow import fields as marshmallow_fields

from spawnpenny.api import DEFAULT_GROUP, StrictSchema, fields_of_model, overlaid
from spawnpenny_dask.roles import WorkerRole

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_MOST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """A worker group in the settings. ``own`` are the fields of a worker that it sets."""

    image: str | None = None
    maximum: int | None = None
    label: str = ""
    description: str = ""
    own: Mapping[str, Any] = field(default_factory=dict)

    def role(self, name: str, default: WorkerRole) -> WorkerRole:
        """Return the role of the group's workers, from that of the default group."""
        own = {key: _overlaid(getattr(default, key), value) for key, value in self.own.items()}
        role = replace(default, **own)
        return replace(role, resources={name: float(role.nthreads), **role.resources})


def _overlaid(existing: Any, value: Any) -> Any:
    return overlaid(existing, value) if isinstance(value, Mapping) and isinstance(existing, Mapping) else value


class GroupSchema(StrictSchema[dict[str, Any]]):
    """The settings of a group: those of a worker, all optional, and its own."""

    class Meta(StrictSchema.Meta):
        include = fields_of_model(WorkerRole)

    model = dict
    image = marshmallow_fields.String()
    max = marshmallow_fields.Integer(strict=True, validate=validate.Range(min=0))
    label = marshmallow_fields.String()
    description = marshmallow_fields.String()


class GroupsField(marshmallow_fields.Dict):
    """Groups by name."""

    def __init__(self) -> None:
        super().__init__(keys=marshmallow_fields.String(), values=marshmallow_fields.Nested(GroupSchema))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found: dict[str, dict[str, Any]] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        for name in found:
            if not _NAME.fullmatch(name):
                raise ValidationError({name: ["A name has at most 63 lower-case letters, digits and hyphens."]})
            if name == DEFAULT_GROUP:
                raise ValidationError({name: ["Set the default group by plugins.dask.worker."]})
        if len(found) > _MOST:
            raise ValidationError(f"There are {len(found)} groups, but at most {_MOST} are allowed.")
        return {name: _group(given) for name, given in found.items()}


def _group(given: Mapping[str, Any]) -> GroupSettings:
    names = {field.name for field in fields(WorkerRole)}
    return GroupSettings(
        image=given.get("image"),
        maximum=given.get("max"),
        label=given.get("label", ""),
        description=given.get("description", ""),
        own={key: value for key, value in given.items() if key in names},
    )

"""The settings of the storage plugin: the size, class, scope and mount of a volume claim."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from marshmallow import ValidationError, fields, validate, validates_schema

from spawnpenny.api import SERVER_FIELDS, QuantityField, StrictSchema, TemplateField, fields_of

ONE_POD: Final = "ReadWriteOncePod"
_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", ONE_POD)
_OURS: Final = "spawnpenny.io/"
_FIELD: Final = re.compile(r"\{\w+\}")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_LONGEST: Final = 253


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Settings of volume claims: size and class, whose they are, and where a lab mounts them."""

    per: Literal["lab", "user"] = "lab"
    capacity: Decimal = Decimal(10 * 2**30)
    storage_class: str | None = None
    access_modes: tuple[str, ...] | list[str] = ("ReadWriteOnce",)
    selector: Mapping[str, Any] = field(default_factory=dict)
    extra_labels: Mapping[str, str] = field(default_factory=dict)
    extra_annotations: Mapping[str, str] = field(default_factory=dict)
    pvc_name_template: str | None = None
    mount_path: str = "/home/jovyan"
    sub_path: str = ""
    read_only: bool = False
    expand: bool = True
    retain: bool = True

    @property
    def template(self) -> str:
        """The template of a claim's name."""
        return self.pvc_name_template or ("claim-{username}" if self.per == "user" else "claim-{user_server}")


def is_claim_name(name: str) -> bool:
    """Return whether Kubernetes takes it for the name of a claim."""
    return len(name) <= _LONGEST and bool(_NAME.fullmatch(name))


def _check_own_keys(keys: Mapping[str, str]) -> None:
    if ours := sorted(key for key in keys if key.startswith(_OURS)):
        raise ValidationError(f"{ours[0]} is for spawnpenny itself to set.")


def _texts() -> fields.Dict:
    return fields.Dict(keys=fields.String(), values=TemplateField(), validate=_check_own_keys)


class StorageSettingsSchema(StrictSchema[StorageSettings]):
    model = StorageSettings
    per = fields.String(validate=validate.OneOf(["lab", "user"]))
    capacity = QuantityField()
    storage_class = fields.String(allow_none=True)
    access_modes = fields.List(fields.String(validate=validate.OneOf(_MODES)), validate=validate.Length(min=1))
    selector = fields.Dict(keys=fields.String())
    extra_labels = _texts()
    extra_annotations = _texts()
    pvc_name_template = TemplateField(allow_none=True)
    mount_path = TemplateField(validate=validate.Regexp(r"/.+", error="Write a path that begins with a slash."))
    sub_path = TemplateField(
        validate=validate.Regexp(r"(?!/|\.\.(/|$)|.*/\.\.(/|$))", error="It may not leave the volume.")
    )
    read_only = fields.Boolean()
    expand = fields.Boolean()
    retain = fields.Boolean()

    @validates_schema
    def _check(self, data: Mapping[str, Any], **_: Any) -> None:
        settings = StorageSettings(**data)
        named = fields_of(settings.template)
        if settings.per == "user" and (server := sorted(named & SERVER_FIELDS)):
            raise ValidationError(
                f"{{{server[0]}}} is another for each lab; a claim per user takes {{username}}.", "pvc_name_template"
            )
        if settings.per == "lab" and not named & SERVER_FIELDS:
            raise ValidationError(
                "All labs of a user would come to one claim: add {user_server} or {servername}, or set per: user.",
                "pvc_name_template",
            )
        if not is_claim_name(_FIELD.sub("x", settings.template)):
            raise ValidationError("Lower case letters, digits, - and . make the name of a claim.", "pvc_name_template")
        if ONE_POD in settings.access_modes and len(settings.access_modes) > 1:
            raise ValidationError(f"{ONE_POD} stands alone.", "access_modes")

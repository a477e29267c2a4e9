"""The settings of the storage plugin: the size, class, scope and mount of a volume claim."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import SERVER_FIELDS, TemplateField, TupleField, fields_of, schema_of

ONE_POD: Final = "ReadWriteOncePod"
_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", ONE_POD)
_OURS: Final = "spawnpenny.io/"
_FIELD: Final = re.compile(r"\{\w+\}")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_LONGEST: Final = 253


def is_claim_name(name: str) -> bool:
    """Return whether Kubernetes takes it for the name of a claim."""
    return len(name) <= _LONGEST and bool(_NAME.fullmatch(name))


def _check_own_keys(keys: Mapping[str, str]) -> None:
    if ours := sorted(key for key in keys if key.startswith(_OURS)):
        raise ValidationError(f"{ours[0]} is for spawnpenny itself to set.")


Text = Annotated[str, TemplateField()]
Texts = Annotated[
    Mapping[str, str], fields.Dict(keys=fields.String(), values=TemplateField(), validate=_check_own_keys)
]


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Settings of volume claims: size and class, whose they are, and where a lab mounts them."""

    per: Literal["lab", "user"] = "lab"
    capacity: Decimal = Decimal(10 * 2**30)
    storage_class: str | None = None
    access_modes: Annotated[
        tuple[str, ...],
        TupleField(fields.String(validate=validate.OneOf(_MODES)), validate=validate.Length(min=1)),
    ] = ("ReadWriteOnce",)
    selector: Mapping[str, Any] = field(default_factory=dict)
    extra_labels: Texts = field(default_factory=dict)
    extra_annotations: Texts = field(default_factory=dict)
    pvc_name_template: Text | None = None
    mount_path: Annotated[
        str, TemplateField(validate=validate.Regexp(r"/.+", error="Write a path that begins with a slash."))
    ] = "/home/jovyan"
    sub_path: Annotated[
        str,
        TemplateField(validate=validate.Regexp(r"(?!/|\.\.(/|$)|.*/\.\.(/|$))", error="It may not leave the volume.")),
    ] = ""
    read_only: bool = False
    expand: bool = True
    retain: bool = True

    @property
    def template(self) -> str:
        """The template of a claim's name."""
        return self.pvc_name_template or ("claim-{username}" if self.per == "user" else "claim-{user_server}")

    def __post_init__(self) -> None:
        named = fields_of(self.template)
        if self.per == "user" and (server := sorted(named & SERVER_FIELDS)):
            raise ValidationError(
                f"{{{server[0]}}} is another for each lab; a claim per user takes {{username}}.", "pvc_name_template"
            )
        if self.per == "lab" and not named & SERVER_FIELDS:
            raise ValidationError(
                "All labs of a user would come to one claim: add {user_server} or {servername}, or set per: user.",
                "pvc_name_template",
            )
        if not is_claim_name(_FIELD.sub("x", self.template)):
            raise ValidationError("Lower case letters, digits, - and . make the name of a claim.", "pvc_name_template")
        if ONE_POD in self.access_modes and len(self.access_modes) > 1:
            raise ValidationError(f"{ONE_POD} stands alone.", "access_modes")


StorageSettingsSchema: Final = schema_of(StorageSettings)

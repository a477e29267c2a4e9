"""The settings of the lab plugin: the template of a lab's pod, and the sizes and images on offer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields, post_load, validate

from spawnpenny.api import QuantityField, StrictSchema, check_form, schema_of
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.grace import grace_period
from spawnpenny_lab.profiles import Profile, ProfileListField
from spawnpenny_lab.template import Template, TemplateKeys
from spawnpenny_lab.trial import try_profiles


@dataclass(frozen=True, slots=True)
class Size:
    """The limits of a lab, and its guaranteed resources (None: the limits), in cores and bytes."""

    cpu: Annotated[Decimal, QuantityField(of="cpu")]
    memory: Annotated[Decimal, QuantityField(of="memory")]
    cpu_guarantee: Annotated[Decimal | None, QuantityField(of="cpu")] = None
    memory_guarantee: Annotated[Decimal | None, QuantityField(of="memory")] = None

    def __post_init__(self) -> None:
        for name in ("cpu", "memory"):
            limit = getattr(self, name)
            if limit and (getattr(self, f"{name}_guarantee") or 0) > limit:
                raise ValidationError(f"This is more than {name}.", f"{name}_guarantee")

    def of(self, template: Template) -> Template:
        """Return the template in this size."""
        return replace(
            template,
            cpu_limit=self.cpu,
            mem_limit=self.memory,
            cpu_guarantee=self.cpu_guarantee,
            mem_guarantee=self.memory_guarantee,
        )


SMALL: Final = Size(Decimal(1), Decimal(2 * 2**30))


@dataclass(frozen=True, slots=True)
class LabSettings:
    """The labs on offer: the profiles, if there are any, else the sizes and images.

    ``template`` is the lab that profiles change, or the lab of the first size and the first image.
    """

    sizes: Mapping[str, Size] = field(default_factory=lambda: {"small": SMALL})
    images: Mapping[str, str] = field(default_factory=lambda: {"default": Template().image})
    template: Template = field(default_factory=lambda: SMALL.of(Template()))
    profile_list: tuple[Profile, ...] = ()
    internal_ssl: bool = False
    closed: bool = False
    """True for a user for whom the plugins of the site leave no profile."""
    _offers: dict[str, LabSettings] = field(default_factory=dict, repr=False, compare=False)
    """The settings for profiles that other plugins have returned, by these profiles as JSON."""

    @property
    def port(self) -> int:
        """The port of labs."""
        return self.template.port


_RESOURCES: Final = ("cpu_limit", "cpu_guarantee", "mem_limit", "mem_guarantee")


class LabSettingsSchema(TemplateKeys, StrictSchema[LabSettings]):
    model = LabSettings
    sizes = fields.Dict(keys=fields.String(), values=fields.Nested(schema_of(Size)), validate=validate.Length(min=1))
    images = fields.Dict(keys=fields.String(), values=fields.String(), validate=validate.Length(min=1))
    profile_list = ProfileListField()
    grace = grace_period()
    internal_ssl = fields.Boolean()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> LabSettings:
        _refuse_both(data, "images", "image")
        for key in _RESOURCES:
            _refuse_both(data, "sizes", key)
        profiles = data.get("profile_list", ())
        for key in ("sizes", "images") if profiles else ():
            _refuse_both(data, "profile_list", key)
        if "grace" in data:
            data["delete_grace_period"] = data["grace"]
        template = Template(**{key.name: data[key.name] for key in dataclasses.fields(Template) if key.name in data})
        images = data.get("images", {} if "image" in data or profiles else {"default": template.image})
        if images:
            template = replace(template, image=next(iter(images.values())))
        sizes = data.get("sizes", {} if set(_RESOURCES) & data.keys() or profiles else {"small": SMALL})
        template = next(iter(sizes.values())).of(template) if sizes else _limited(template, data)
        settings = LabSettings(sizes, images, template, profiles, data.get("internal_ssl", False))
        _check(settings)
        try_profiles(profiles, template)
        return settings


def _check(settings: LabSettings) -> None:
    try:
        check_form(lab_form(settings))
    except ValueError as error:
        raise ValidationError(f"{error}.", "profile_list" if settings.profile_list else "sizes") from None


def _refuse_both(data: Mapping[str, Any], one: str, other: str) -> None:
    if one in data and other in data:
        raise ValidationError(f"{one} says the same: set one of them.", other)


def _limited(template: Template, data: Mapping[str, Any]) -> Template:
    """Return the template with default limits: those of the default size, or the guarantee if it is larger."""
    cpu = max(SMALL.cpu, template.cpu_guarantee or Decimal(0))
    memory = max(SMALL.memory, template.mem_guarantee or Decimal(0))
    return replace(
        template,
        cpu_limit=data.get("cpu_limit", cpu),
        mem_limit=data.get("mem_limit", memory),
    )

"""The lab plugin's part of the spawn form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spawnpenny.api import FormChoice, FormField, FreeText, format_quantity
from spawnpenny_lab.profiles import Option, Profile, UnlistedChoice

if TYPE_CHECKING:
    from spawnpenny_lab.settings import LabSettings, Size


def lab_form(settings: LabSettings) -> tuple[FormField, ...]:
    """Return the fields of a lab: a profile with its options, or a size and an image."""
    if settings.closed:
        return ()
    if settings.profile_list:
        return (FormField("profile", "Profile", tuple(_profile(profile) for profile in settings.profile_list)),)
    sizes = tuple(FormChoice(name, name, _amounts(size)) for name, size in settings.sizes.items())
    images = tuple(FormChoice(name, name) for name in settings.images)
    fields = FormField("size", "Size", sizes), FormField("image", "Image", images)
    return tuple(field for field in fields if field.choices)


def _profile(profile: Profile) -> FormChoice:
    options = tuple(_option(name, option) for name, option in profile.profile_options.items())
    return FormChoice(profile.slug, profile.display_name, profile.description, profile.default, options)


def _option(name: str, option: Option) -> FormField:
    choices = tuple(FormChoice(key, choice.display_name, "", choice.default) for key, choice in option.choices.items())
    return FormField(name, option.display_name, choices, free_text=_text(option, option.unlisted_choice))


def _text(option: Option, unlisted: UnlistedChoice) -> FreeText | None:
    if not unlisted.enabled:
        return None
    return FreeText(
        unlisted.display_name or option.display_name,
        unlisted.display_name_in_choices,
        unlisted.validation_regex,
        unlisted.validation_message,
    )


def _amounts(size: Size) -> str:
    cores = format(size.cpu.normalize(), "f")
    return f"{cores} CPU, {format_quantity(size.memory)} of memory"

"""Profiles that a site offers to users, in KubeSpawner's format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import schema_of
from spawnpenny_lab.slugs import slugify

VALUE: Final = "{value}"
"""The placeholder for the user's text in the override of an unlisted choice."""
Override = Mapping[str, Any]
Name = Annotated[str, fields.String(validate=validate.Length(1, 1000))]


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of an option, with its override of the template."""

    display_name: Name
    default: bool = False
    kubespawner_override: Override = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnlistedChoice:
    """A text that the user may write instead; ``{value}`` in the override is that text."""

    enabled: bool = False
    display_name: Name = ""
    display_name_in_choices: Name = "Other..."
    validation_regex: str | None = None
    validation_message: str | None = None
    kubespawner_override: Override = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a profile."""

    display_name: Name
    choices: Mapping[str, Choice] = field(default_factory=dict)
    unlisted_choice: UnlistedChoice = UnlistedChoice()

    @property
    def default(self) -> str | None:
        """The key of the default choice: the first with ``default``, else the first."""
        return next((key for key, choice in self.choices.items() if choice.default), next(iter(self.choices), None))

    def override(self, value: str, *, written: bool) -> Override:
        """Return the override of a choice, or of a text that the user wrote."""
        if not written:
            return self.choices[value].kubespawner_override
        filled: Override = fill_in(self.unlisted_choice.kubespawner_override, value)
        return filled


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile: a named lab with options."""

    display_name: Name
    slug: Name = ""
    description: str = ""
    default: bool = False
    kubespawner_override: Override = field(default_factory=dict)
    profile_options: Mapping[str, Option] = field(default_factory=dict)


def fill_in(override: Any, value: str) -> Any:
    """Replace ``{value}`` by a text, once: a ``{value}`` in the text itself stays."""
    if isinstance(override, str):
        return override.replace(VALUE, value)
    if isinstance(override, Mapping):
        return {fill_in(key, value): fill_in(inner, value) for key, inner in override.items()}
    if isinstance(override, list | tuple):
        return [fill_in(inner, value) for inner in override]
    return override


class ProfileListField(fields.Field[tuple[Profile, ...]]):
    """A list of profiles, or a map by any key, whose values come in the order of the keys."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[Profile, ...]:
        if not isinstance(value, list | tuple | Mapping):
            raise ValidationError("Write a list of profiles, or a map with such values.")
        entries = sorted(value.items()) if isinstance(value, Mapping) else enumerate(value)
        loaded: dict[str, Profile] = {}
        errors: dict[str, Any] = {}
        for key, entry in entries:
            try:
                loaded[str(key)] = _profile(entry, loaded)
            except ValidationError as error:
                errors[str(key)] = error.messages
        if errors:
            raise ValidationError(errors)
        return tuple(loaded.values())


def _profile(entry: Any, others: Mapping[str, Profile]) -> Profile:
    profile: Profile = schema_of(Profile)().load(entry)
    try:
        profile = profile if profile.slug else replace(profile, slug=slugify(profile.display_name))
    except ValueError:
        raise ValidationError({"slug": [f"{profile.display_name!r} gives no slug. Write one."]}) from None
    twice = next((key for key, other in others.items() if other.slug == profile.slug), None)
    if twice is not None:
        raise ValidationError({"slug": [f"{profile.slug!r} is also the slug of {twice}."]})
    return profile

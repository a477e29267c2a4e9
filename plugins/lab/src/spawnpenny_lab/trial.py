"""Try all combinations of a profile's parts at the start: a mistake stops the service, not a user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from marshmallow import ValidationError

from spawnpenny_lab.profiles import VALUE, Option, Override, Profile, fill_in
from spawnpenny_lab.template import Template

if TYPE_CHECKING:
    from spawnpenny_lab.settings import LabSettings

_SAMPLE: Final = "1"
"""Stands for a user's text: a name, a number and an amount at once."""
_OPTIONS: Final = "profile_options"


@dataclass(frozen=True, slots=True)
class Part:
    """One of the overrides that a choice comes to. ``place`` is where it stands in the settings of its profile."""

    place: str
    override: Override
    option: str | None = None


class MisfitError(Exception):
    """The parts do not make a lab; ``wrong`` has the messages by key, each with the part that is to blame."""

    def __init__(self, wrong: Sequence[tuple[Part, str, Any]]) -> None:
        super().__init__("the parts do not make a lab")
        self.wrong = wrong


def put_together(template: Template, parts: Sequence[Part]) -> Template:
    """Return the template with all overrides, in their order.

    Raises:
        MisfitError: They do not make a lab.

    """
    try:
        return template.overridden(*(part.override for part in parts))
    except ValidationError as error:
        told = error.messages if isinstance(error.messages, dict) else {"_schema": error.messages}
        raise MisfitError([(_blamed(parts, str(key)), str(key), each) for key, each in told.items()]) from None


def _blamed(parts: Sequence[Part], key: str) -> Part:
    return next((part for part in reversed(parts) if key in part.override), parts[-1])


def try_profiles(profiles: Sequence[Profile], template: Template) -> None:
    """Put each profile together with the defaults of its options, and then with each other choice in turn.

    Raises:
        ValidationError: What does not fit, by profile, option and choice.

    """
    errors = {profile.slug: told for profile in profiles if (told := _try(profile, template))}
    if errors:
        raise ValidationError({"profile_list": errors})


def _try(profile: Profile, template: Template) -> dict[str, Any]:
    errors: dict[str, Any] = {}
    for parts in _combinations(profile):
        filled = [Part(part.place, fill_in(part.override, _SAMPLE), part.option) for part in parts]
        raw = {part.place: part.override for part in parts}
        try:
            put_together(template, filled)
        except MisfitError as error:
            for part, key, told in error.wrong:
                if not _for_the_text_to_say(raw[part.place], key):
                    errors.setdefault(part.place, {})[key] = told
            if errors:
                return errors  # what else is wrong may only follow from it
    return errors


def _combinations(profile: Profile) -> Iterator[list[Part]]:
    """Yield the defaults first, and then what differs from them in one option."""
    own = Part("kubespawner_override", profile.kubespawner_override)
    parts = {name: list(_parts(name, option)) for name, option in profile.profile_options.items()}
    yield [own, *(part[0] for part in parts.values())]
    for name, each in parts.items():
        for other in each[1:]:
            yield [own, *(other if which == name else default[0] for which, default in parts.items())]


def _parts(name: str, option: Option) -> Iterator[Part]:
    """Yield what each choice of an option changes, the default first, and what a text does last."""
    default = option.default
    for key in sorted(option.choices, key=lambda each: each != default):
        place = f"{_OPTIONS}.{name}.choices.{key}.kubespawner_override"
        yield Part(place, option.choices[key].kubespawner_override, name)
    if option.unlisted_choice.enabled:
        place = f"{_OPTIONS}.{name}.unlisted_choice.kubespawner_override"
        yield Part(place, option.unlisted_choice.kubespawner_override, name)


def _for_the_text_to_say(override: Override, key: str) -> bool:
    """Return whether a value is made of a user's text, so that it cannot be checked without that."""
    value = override.get(key)
    return isinstance(value, str) and VALUE in value and key in {field.name for field in fields(Template)}


def templates(settings: LabSettings) -> Iterator[tuple[str, Template]]:
    """Yield what users can choose, as ``try_profiles`` tries it, each with where its limits stand in the settings."""
    template = settings.template
    for name, size in settings.sizes.items():
        yield f"sizes.{name}.", size.of(template)
    if not settings.sizes and not settings.profile_list:
        yield "", template
    for profile in settings.profile_list:
        for parts in _combinations(profile):
            filled = [Part(part.place, fill_in(part.override, _SAMPLE), part.option) for part in parts]
            with suppress(MisfitError):  # what a text says is not known yet
                place = f"profile_list.{profile.slug}.kubespawner_override."
                yield place if _sets_limits(parts) else "", put_together(template, filled)


def _sets_limits(parts: Sequence[Part]) -> bool:
    return any({"cpu_limit", "mem_limit"} & part.override.keys() for part in parts)

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
"""A sample of a user's text that is a name, a number and an amount."""
_OPTIONS: Final = "profile_options"


@dataclass(frozen=True, slots=True)
class Part:
    """One override of a choice. ``place`` is its path in the settings of its profile."""

    place: str
    override: Override
    option: str | None = None


class MisfitError(Exception):
    """The parts make no valid lab. ``wrong`` has triples of the faulty part, the key and its messages."""

    def __init__(self, wrong: Sequence[tuple[Part, str, Any]]) -> None:
        super().__init__("the parts do not make a lab")
        self.wrong = wrong


def put_together(template: Template, parts: Sequence[Part]) -> Template:
    """Return the template with all overrides, in their order.

    Raises:
        MisfitError: They make no valid lab.

    """
    try:
        return template.overridden(*(part.override for part in parts))
    except ValidationError as error:
        by_key = error.messages if isinstance(error.messages, dict) else {"_schema": error.messages}
        wrong = [(_faulty(parts, str(key)), str(key), messages) for key, messages in by_key.items()]
        raise MisfitError(wrong) from None


def _faulty(parts: Sequence[Part], key: str) -> Part:
    return next((part for part in reversed(parts) if key in part.override), parts[-1])


def try_profiles(profiles: Sequence[Profile], template: Template) -> None:
    """Try each profile with the defaults of its options, and then with every other choice.

    Raises:
        ValidationError: The faults, by profile, option and choice.

    """
    errors = {profile.slug: faults for profile in profiles if (faults := _try(profile, template))}
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
            for part, key, messages in error.wrong:
                if not _depends_on_text(raw[part.place], key):
                    errors.setdefault(part.place, {})[key] = messages
            if errors:
                return errors  # further errors may only follow from these
    return errors


def _combinations(profile: Profile) -> Iterator[list[Part]]:
    """Yield the default choices first, and then the combinations that differ from them in one option."""
    own = Part("kubespawner_override", profile.kubespawner_override)
    parts = {name: list(_parts(name, option)) for name, option in profile.profile_options.items()}
    yield [own, *(part[0] for part in parts.values())]
    for name, choices in parts.items():
        for choice in choices[1:]:
            yield [own, *(choice if other == name else default[0] for other, default in parts.items())]


def _parts(name: str, option: Option) -> Iterator[Part]:
    """Yield the part of each choice of an option, the default first, and the part of a text last."""
    default = option.default
    for key in sorted(option.choices, key=lambda choice: choice != default):
        place = f"{_OPTIONS}.{name}.choices.{key}.kubespawner_override"
        yield Part(place, option.choices[key].kubespawner_override, name)
    if option.unlisted_choice.enabled:
        place = f"{_OPTIONS}.{name}.unlisted_choice.kubespawner_override"
        yield Part(place, option.unlisted_choice.kubespawner_override, name)


def _depends_on_text(override: Override, key: str) -> bool:
    """Return whether a value contains a user's text, so that it cannot be checked without it."""
    value = override.get(key)
    return isinstance(value, str) and VALUE in value and key in {field.name for field in fields(Template)}


def templates(settings: LabSettings) -> Iterator[tuple[str, Template]]:
    """Yield the templates that users can choose, as pairs of the settings path of its limits and the template."""
    template = settings.template
    for name, size in settings.sizes.items():
        yield f"sizes.{name}.", size.of(template)
    if not settings.sizes and not settings.profile_list:
        yield "", template
    for profile in settings.profile_list:
        for parts in _combinations(profile):
            filled = [Part(part.place, fill_in(part.override, _SAMPLE), part.option) for part in parts]
            with suppress(MisfitError):  # a text is not known yet
                place = f"profile_list.{profile.slug}.kubespawner_override."
                yield place if _sets_limits(parts) else "", put_together(template, filled)


def _sets_limits(parts: Sequence[Part]) -> bool:
    return any({"cpu_limit", "mem_limit"} & part.override.keys() for part in parts)

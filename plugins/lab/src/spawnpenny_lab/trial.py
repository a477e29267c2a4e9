"""Tries all that profiles change, so that a mistake in one stops the service, and not its user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from marshmallow import ValidationError

from spawnpenny_lab.profiles import VALUE, Option, Override, Profile, fill_in
from spawnpenny_lab.template import Template

_SAMPLE: Final = "1"
"""Stands for a user's text: a name, a number and an amount at once."""
_OVERRIDE: Final = "kubespawner_override"


def try_profiles(profiles: Sequence[Profile], template: Template) -> None:
    """Apply each profile with the defaults of its options, and then with each other choice in turn.

    Raises:
        ValidationError: What does not fit, by profile, option and choice.

    """
    errors = {profile.slug: told for profile in profiles if (told := _profile(profile, template))}
    if errors:
        raise ValidationError({"profile_list": errors})  # type: ignore[arg-type]


def _profile(profile: Profile, template: Template) -> dict[str, Any]:
    told = _try(template, [profile.kubespawner_override])
    if told:
        return {_OVERRIDE: told}
    options: dict[str, Any] = {}
    for name, option in profile.profile_options.items():
        rest = [_default(each) for other, each in profile.profile_options.items() if other != name]
        for place, override in _overrides(option):
            told = _try(template, [profile.kubespawner_override, override]) or _try(
                template, [profile.kubespawner_override, *rest, override]
            )
            if judged := _judged(told, override):
                options[f"{name}.{place}.{_OVERRIDE}"] = judged
    return {"profile_options": options} if options else {}


def _overrides(option: Option) -> Iterator[tuple[str, Override]]:
    for key, choice in option.choices.items():
        yield f"choices.{key}", choice.kubespawner_override
    if option.unlisted_choice.enabled:
        yield "unlisted_choice", option.unlisted_choice.kubespawner_override


def _default(option: Option) -> Override:
    choices = option.choices.values()
    default = next((each for each in choices if each.default), next(iter(choices), None))
    return default.kubespawner_override if default is not None else {}


def _try(template: Template, overrides: Sequence[Override]) -> Mapping[str, Any]:
    try:
        for override in overrides:
            template = template.overridden(fill_in(override, _SAMPLE))
    except ValidationError as error:
        return dict(error.normalized_messages())
    return {}


def _judged(told: Mapping[str, Any], override: Override) -> dict[str, Any]:
    """Leave out what only the user's text can tell: whether it fits where a value is made of it."""
    return {key: each for key, each in told.items() if not _of_text(override.get(key))}


def _of_text(value: Any) -> bool:
    return isinstance(value, str) and VALUE in value

"""What a request chose, by names and never by content: a profile with its options, or a size and an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from marshmallow import ValidationError

from spawnpenny.api import Answer, InvalidOptionError, answers
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.profiles import Option, Profile
from spawnpenny_lab.settings import LabSettings
from spawnpenny_lab.template import Template


def choose(options: Mapping[str, Any], settings: LabSettings) -> Template:
    """Return what the pod is made of that a request's options stand for. Options of other plugins are not looked at.

    Raises:
        UnknownOptionError: There is no such profile, choice, size or image.
        InvalidOptionError: A choice is no text, or a text does not fit.

    """
    chosen = answers(lab_form(settings), options)
    template = settings.template
    if settings.profile_list:
        profile = next(each for each in settings.profile_list if each.slug == chosen["profile"].value)
        return _profiled(template, profile, chosen)
    if "size" in chosen:
        template = settings.sizes[chosen["size"].value].of(template)
    if "image" in chosen:
        template = replace(template, image=settings.images[chosen["image"].value])
    return template


def _profiled(template: Template, profile: Profile, chosen: Mapping[str, Answer]) -> Template:
    template = template.overridden(profile.kubespawner_override)
    for name, option in profile.profile_options.items():
        template = _with(template, name, option, chosen[name])
    return template


def _with(template: Template, name: str, option: Option, answer: Answer) -> Template:
    try:
        return template.overridden(option.override(answer.value, written=answer.written))
    except ValidationError as error:
        # Of what was chosen among, all was tried when the service started: it is a text, or does not go with another.
        field = f"options.{name}--unlisted-choice" if answer.written else f"options.{name}"
        told = "; ".join(f"{key}: {_first(messages)}" for key, messages in error.normalized_messages().items())
        raise InvalidOptionError(f"{answer.value!r} does not fit: {told}", field=field) from None


def _first(messages: Any) -> str:
    while isinstance(messages, Mapping | list):
        messages = next(iter(messages.values() if isinstance(messages, Mapping) else messages))
    return str(messages)

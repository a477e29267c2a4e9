"""Resolve the options of a request by name: a profile with its options, or a size and an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spawnpenny.api import Answer, InvalidOptionError, PlannedSpawn, SettingsError, answers
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.offer import offered
from spawnpenny_lab.profiles import Profile
from spawnpenny_lab.settings import LabSettings
from spawnpenny_lab.template import Template
from spawnpenny_lab.trial import MisfitError, Part, put_together


def choose(spawn: PlannedSpawn, settings: LabSettings) -> Template:
    """Return the template of a lab for the options of its request. Options of other plugins are ignored.

    Plugins may have filtered or replaced the profiles, and their overrides come last.

    Raises:
        UnknownOptionError: The profile, choice, size or image does not exist.
        InvalidOptionError: A choice is not a text, or a text is not valid, or no profile is open to the user.
        SettingsError: The overrides of a plugin make no valid lab.

    """
    settings = offered(settings, spawn.profiles)
    if settings.closed:
        raise InvalidOptionError("No profile is open to you. Ask an administrator.", field="options.profile")
    template = _chosen(settings, answers(lab_form(settings), spawn.options))
    for plugin, override in spawn.overrides():
        try:
            template = put_together(template, [Part(plugin, override)])
        except MisfitError as error:
            ((_, key, messages), *_) = error.wrong
            raise SettingsError(
                f"The hook spawnpenny_overrides of the plugin {plugin!r} has invalid overrides of a lab: "
                f"{key}: {_first(messages)}"
            ) from None
    return template


def _chosen(settings: LabSettings, chosen: Mapping[str, Answer]) -> Template:
    template = settings.template
    if settings.profile_list:
        profile = next(profile for profile in settings.profile_list if profile.slug == chosen["profile"].value)
        return _profiled(template, profile, chosen)
    if "size" in chosen:
        template = settings.sizes[chosen["size"].value].of(template)
    if "image" in chosen:
        template = replace(template, image=settings.images[chosen["image"].value])
    return template


def _profiled(template: Template, profile: Profile, chosen: Mapping[str, Answer]) -> Template:
    parts = [Part("", profile.kubespawner_override)]
    for name, option in profile.profile_options.items():
        answer = chosen[name]
        key = f"{name}--unlisted-choice" if answer.written else name
        parts.append(Part(f"options.{key}", option.override(answer.value, written=answer.written), name))
    try:
        return put_together(template, parts)
    except MisfitError as error:
        # Every choice was tried when the service started, so a text is wrong, or two choices together.
        raise _refusal(error, chosen) from None


def _refusal(misfit: MisfitError, chosen: Mapping[str, Answer]) -> InvalidOptionError:
    errors = []
    for part, key, messages in misfit.wrong:
        value = chosen[part.option].value if part.option else ""
        errors.append({"field": part.place, "message": f"{value!r} does not fit: {key}: {_first(messages)}"})
    return InvalidOptionError(" ".join(error["message"] for error in errors), errors=errors)


def _first(messages: Any) -> str:
    while isinstance(messages, Mapping | list):
        messages = next(iter(messages.values() if isinstance(messages, Mapping) else messages))
    return str(messages)

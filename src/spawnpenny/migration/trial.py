"""Tries the settings that a migration wrote: what the service would refuse is taken out, and told."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from spawnpenny.configuration import make_settings
from spawnpenny.errors import PluginError, SettingsError
from spawnpenny.migration.carried import Carried
from spawnpenny.migration.references import references
from spawnpenny.migration.samples import Workshop

_SECTIONS = ("lab", "storage", "namespace")
_SOURCE = "what was carried"


def try_settings(carried: Carried) -> Workshop:
    """Make settings of what was carried that a service starts with, and say what they need besides.

    Raises:
        SettingsError: Even without what it refuses, it does not start: a plugin is not installed.

    """
    if _refusal(carried.settings) is not None:
        _take_out(carried)
    workshop = Workshop(make_settings(carried.settings, source=_SOURCE))
    needed = workshop.openings()
    for opening, what in needed.items():
        carried.lose(
            f"pods.allow: {opening}",
            f"the hardening rules refuse it: {what}",
            f"Do without it, or open it: add {opening} to pods.allow and, where the fence is installed, to it "
            "(docs/settings.md, Openings, says which broker.pod_security that takes).",
        )
    named = {each for pod in workshop.pods() for each in references(pod)}
    for kind, name in sorted(named - _own(workshop)):
        carried.notes.append(
            f"The {kind} {name} has to be in the namespace of each user, and not only in the Hub's: a step of a plugin "
            "puts it there."
        )
    return workshop


def _own(workshop: Workshop) -> set[tuple[str, str]]:
    """Return what the service itself makes for a lab."""
    made = {(str(each["kind"]), str(each["metadata"]["name"])) for each in workshop.manifests()}
    return {("volume claim" if kind == "PersistentVolumeClaim" else kind, name) for kind, name in made}


def _take_out(carried: Carried) -> None:
    """Build the sections up again, key by key, without those that are refused."""
    whole = carried.settings["plugins"]
    built = {**carried.settings, "plugins": {name: {} for name in whole}}
    for section in _SECTIONS:
        for key, value in sorted((whole.get(section) or {}).items(), key=lambda each: each[0] == "profile_list"):
            tried = copy.deepcopy(built)
            tried["plugins"][section][key] = value
            refusal = _refusal(tried)
            if refusal is None:
                built = tried
            else:
                carried.lose(
                    f"plugins.{section}.{key}", f"the service does not take it: {refusal}", "Correct it by hand."
                )
    carried.settings = built


def _refusal(settings: Mapping[str, Any]) -> str | None:
    try:
        Workshop(make_settings(settings, source=_SOURCE))
    except (SettingsError, PluginError) as error:
        return error.message.removeprefix(f"In {_SOURCE}: ").removesuffix(".")
    return None

"""Profiles keep KubeSpawner's format; what they override is held to what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spawnpenny.migration.carried import Carried
from spawnpenny.migration.storage import entries
from spawnpenny.migration.traits import RENAMED, TRAITS

_OVERRIDE = "kubespawner_override"
_LAB = "plugins.lab."


def carry_profiles(profiles: Any, carried: Carried) -> Any:
    """Return a profile list without what cannot be overridden here, which ``carried`` is told."""
    named = entries(profiles)
    for profile in named:
        title = f"profile {profile.get('slug') or profile.get('display_name')!r}"
        for place, owner in _owners(profile):
            owner[_OVERRIDE] = _override(owner.get(_OVERRIDE) or {}, f"{title}{place}", carried)
            if not owner[_OVERRIDE]:
                del owner[_OVERRIDE]
        for option, each in (profile.get("profile_options") or {}).items():
            if (each.get("unlisted_choice") or {}).get("validation_regex"):
                carried.notes.append(
                    f"{title}, {option}: validation_regex has to match the whole text here, not only its beginning."
                )
    return profiles


def _owners(profile: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [("", profile)]
    for option, each in (profile.get("profile_options") or {}).items():
        found += [(f", {option}: {key}", choice) for key, choice in (each.get("choices") or {}).items()]
        if each.get("unlisted_choice"):
            found.append((f", {option}: unlisted_choice", each["unlisted_choice"]))
    return found


def _override(override: Mapping[str, Any], where: str, carried: Carried) -> dict[str, Any]:
    kept = {}
    for given, value in override.items():
        name = RENAMED.get(given, given)
        trait = TRAITS.get(name)
        if trait is not None and trait.to.startswith(_LAB) and name != "profile_list":
            kept[name] = value
        else:
            carried.lose(f"{where}, {given}", "a profile cannot override it here", _instead(name))
    return kept


def _instead(name: str) -> str:
    trait = TRAITS.get(name)
    if trait is None:
        return "Is it misspelt?"
    return f"It is {trait.to} for all." if trait.to else f"It is not needed: {trait.remark}."

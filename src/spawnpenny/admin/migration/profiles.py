"""Carry over profiles in KubeSpawner's format, with the overrides that spawnpenny supports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.admin.migration.advice import limits_choice
from spawnpenny.admin.migration.carried import Carried
from spawnpenny.admin.migration.traits import RENAMED, TRAITS

_OVERRIDE: Final = "kubespawner_override"
_LAB: Final = "plugins.lab."
_KNOWN: Final = frozenset({"display_name", "slug", "description", "default", _OVERRIDE, "profile_options"})
_OF_OPTIONS: Final = frozenset({"display_name", "choices", "unlisted_choice"})
_OF_CHOICES: Final = frozenset({"display_name", "default", _OVERRIDE})
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def carry_profiles(profiles: Any, carried: Carried) -> Any:
    """Return a profile list without the overrides that spawnpenny does not support; report those to ``carried``."""
    for key, profile in _entries(profiles):
        title = f"profile {profile.get('slug') or profile.get('display_name')!r}"
        place = carried.origins.get("profile_list", "profile_list")
        carried.origins[f"profile_list.{key}"] = f"{place}[{key}] ({title})"
        _drop_what_is_ignored(profile, title, carried)
        for owner_place, owner in _owners(profile):
            _carry_override(owner, f"{title}{owner_place}", carried)
        for option, content in _entries(profile.get("profile_options")):
            unlisted = content.get("unlisted_choice")
            if isinstance(unlisted, Mapping) and unlisted.get("validation_regex"):
                carried.notes.append(
                    f"{title}, {option}: in spawnpenny, validation_regex has to match the whole text, not only its "
                    "beginning."
                )
    return profiles


def variables(environment: Any) -> Any:
    """Return an environment with numbers and booleans as texts, as a program sees them."""
    if isinstance(environment, list) and any(map(_is_named, environment)):
        environment = dict(_named(number, variable) for number, variable in enumerate(environment))
    if not isinstance(environment, Mapping):
        return environment
    return {name: _variable(value) for name, value in environment.items() if value is not None}


def _is_named(variable: Any) -> bool:
    return isinstance(variable, Mapping) and isinstance(variable.get("name"), str)


def _named(number: int, variable: Any) -> tuple[str, Any]:
    """Return an entry of a list with its name; one without a name gets its index, which the service refuses."""
    if not _is_named(variable):
        return f"[{number}]", variable
    return variable["name"], variable.get("value", {key: inner for key, inner in variable.items() if key != "name"})


def _variable(value: Any) -> Any:
    return str(value) if isinstance(value, bool | int | float) else value


def _entries(value: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the maps in a map or a list with their keys."""
    entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    yield from ((key, entry) for key, entry in entries if isinstance(entry, dict))


def _drop_what_is_ignored(profile: dict[str, Any], title: str, carried: Carried) -> None:
    """Remove the keys that KubeSpawner ignores; a key that may limit a choice stays, and the service checks it."""
    for place, part, known in _parts(profile):
        for key in [key for key in part if key not in known and not limits_choice(str(key))]:
            del part[key]
            carried.lose(f"{title}{place}, {key}", "KubeSpawner ignores it too", f"Should it be in {_OVERRIDE}?")


def _parts(profile: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], frozenset[str]]]:
    yield "", profile, _KNOWN
    for option, content in _entries(profile.get("profile_options")):
        yield f", {option}", content, _OF_OPTIONS
        for key, choice in _entries(content.get("choices")):
            yield f", {option}: {key}", choice, _OF_CHOICES


def _owners(profile: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parts of a profile that may have overrides, with their places."""
    yield "", profile
    for option, content in _entries(profile.get("profile_options")):
        for key, choice in _entries(content.get("choices")):
            yield f", {option}: {key}", choice
        if isinstance(content.get("unlisted_choice"), dict):
            yield f", {option}: unlisted_choice", content["unlisted_choice"]


def _carry_override(owner: dict[str, Any], where: str, carried: Carried) -> None:
    override = owner.get(_OVERRIDE)
    if not override:
        owner.pop(_OVERRIDE, None)
    if not isinstance(override, Mapping):
        return
    kept = {}
    for given, value in override.items():
        name = str(RENAMED.get(given, given))
        trait = TRAITS.get(name)
        if trait is not None and trait.to.startswith(_LAB) and name != "profile_list":
            kept[name] = _texts(value) if name == "environment" else value
        else:
            carried.lose(f"{where}, {given}", "a profile cannot override it in spawnpenny", _instead(name))
    owner[_OVERRIDE] = kept
    if not kept:
        del owner[_OVERRIDE]


def _texts(environment: Any) -> Any:
    """Return an override of the environment; None removes a variable."""
    if not isinstance(environment, Mapping):
        return environment
    return {name: _variable(value) for name, value in environment.items()}


def _instead(name: str) -> str:
    trait = TRAITS.get(name)
    if trait is not None:
        return f"Set {trait.to} for all users." if trait.to else f"It is not needed: {trait.note}."
    snake = _HUMP.sub("_", name).lower()
    return f"KubeSpawner ignores it. Did you mean {snake}?" if snake in TRAITS and snake != name else "Is it misspelt?"

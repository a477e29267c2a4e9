"""Hooks by which plugins design what another plugin makes for a user: profiles, and overrides of a spawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spawnpenny.errors import PluginError, SpawnpennyError
from spawnpenny.plugin.hook_results import call_hook

if TYPE_CHECKING:
    import pluggy

    from spawnpenny.domain.users import User
    from spawnpenny.settings.model import Settings

PROFILES = "spawnpenny_profiles"
OVERRIDES = "spawnpenny_overrides"
ProfileList = Sequence[Mapping[str, Any]]
CheckProfiles = Callable[[ProfileList], object]
"""Raises a ``ValueError`` for profiles that their plugin cannot offer."""


def designed_profiles(
    impls: Iterable[pluggy.HookImpl], user: User, own: ProfileList, check: CheckProfiles, settings: Settings
) -> ProfileList:
    """Return a plugin's profiles for a user, after each plugin has filtered or replaced them.

    Raises:
        PluginError: A hook fails, or returns something else than profiles.

    """
    profiles = own
    for impl in impls:
        found = call_hook(impl, PROFILES, {"user": user, "profiles": list(profiles), "settings": settings})
        if found is None:
            continue
        where = f"The hook {PROFILES} of the plugin {impl.plugin_name!r}"
        if not isinstance(found, Sequence) or not all(isinstance(profile, Mapping) for profile in found):
            raise PluginError(f"{where} has to return a list of profiles, which are mappings, or None.")
        try:
            check(found)
        except SpawnpennyError:
            raise
        except ValueError as error:
            raise PluginError(f"{where} returned profiles that are wrong: {error}.") from None
        profiles = found
    return profiles


def design_overrides(
    impls: Iterable[pluggy.HookImpl], user: User, kind: str, options: Mapping[str, Any], settings: Settings
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return pairs of a plugin's name and its overrides of a spawn.

    Raises:
        PluginError: A hook fails, or returns something else than a mapping.

    """
    found = []
    for impl in impls:
        arguments = {"user": user, "kind": kind, "options": dict(options), "settings": settings}
        result = call_hook(impl, OVERRIDES, arguments)
        if result is not None and not isinstance(result, Mapping):
            raise PluginError(
                f"The hook {OVERRIDES} of the plugin {impl.plugin_name!r} has to return a mapping or None."
            )
        found += [(str(impl.plugin_name), result)] if result else []
    return found

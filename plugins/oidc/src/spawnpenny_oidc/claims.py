"""Read the identity of a user from the claims of a valid token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.api import MAX_ID, ForbiddenError, Group, Identity, InvalidNameError, check_username
from spawnpenny_oidc.settings import OidcSettings

_NUMBER: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_LISTS_OF_WORDS: Final = frozenset({"scope", "scp"})


def identity_of(claims: Mapping[str, Any], settings: OidcSettings) -> Identity:
    """Return the identity that the claims describe.

    A claim that the settings name for a uid or gid is required, so that nobody gets the site's default uid by leaving
    it out.

    Raises:
        ForbiddenError: A claim is missing or wrong, or does not have the value that the settings require.

    """
    for name, desired in settings.required.items():
        if not _has(claims, name, desired):
            raise ForbiddenError(f"The token's claim {name!r} is not what this site requires.")
    named = settings.claims
    username = _username(claims, settings)
    return Identity(
        f"oidc:{username}",
        frozenset(settings.scopes),
        username=username,
        uid=None if named.uid is None else _id(_find(claims, named.uid), named.uid),
        gid=None if named.gid is None else _id(_find(claims, named.gid), named.gid),
        groups=None if named.groups is None else _groups(claims, named.groups, settings.gids),
    )


def _find(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, or by its path with dots; None if it does not exist."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _has(claims: Mapping[str, Any], name: str, desired: Any) -> bool:
    found = _find(claims, name)
    if name in _LISTS_OF_WORDS and isinstance(found, str):
        found = found.split()
    candidates = found if isinstance(found, list) else [found]
    return any(type(candidate) is type(desired) and candidate == desired for candidate in candidates)


def _username(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    name = settings.claims.username
    found = _find(claims, name)
    if not isinstance(found, str):
        raise ForbiddenError(f"The token has no username: its claim {name!r} is missing, or not a text.")
    if settings.lowercase and any(not letter.isascii() and letter.lower().isascii() for letter in found):
        raise ForbiddenError(f"The token's claim {name!r} has a letter that becomes another one in lower case.")
    try:
        return check_username(found.lower() if settings.lowercase else found)
    except InvalidNameError as error:
        raise ForbiddenError(f"The token's claim {name!r} cannot be a username: {error}") from None


def _id(found: Any, name: str) -> int:
    if isinstance(found, str) and _NUMBER.fullmatch(found):
        found = int(found)  # directories store numbers as texts
    if type(found) is not int or not 0 <= found <= MAX_ID:
        raise ForbiddenError(f"The token's claim {name!r} is missing, or not a whole number from 0 to {MAX_ID}.")
    return found


def _groups(claims: Mapping[str, Any], name: str, gids: Mapping[str, int]) -> tuple[Group, ...]:
    found = _find(claims, name)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise ForbiddenError(f"The token's claim {name!r} is not a list of groups.")
    groups: dict[str, Group] = {}
    for item in found:
        group, gid = (item.get("name"), item.get("id")) if isinstance(item, Mapping) else (item, gids.get(str(item)))
        if not isinstance(group, str):
            raise ForbiddenError(f"The token's claim {name!r} has a group without a name.")
        if gid is not None:
            groups[group] = Group(group, _id(gid, name))
    return tuple(groups.values())

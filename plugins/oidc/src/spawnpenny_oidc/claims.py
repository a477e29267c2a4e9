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
    """Return who the claims speak of.

    A claim that the settings name for a uid or gid has to be there: nobody comes to the site's default uid by leaving
    theirs out.

    Raises:
        ForbiddenError: A claim is missing or wrong, or one that is required is not as it has to be.

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
    """Return a claim, by its name, or by the names on the way to it, with dots between; None where there is none."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _has(claims: Mapping[str, Any], name: str, wanted: Any) -> bool:
    found = _find(claims, name)
    if name in _LISTS_OF_WORDS and isinstance(found, str):
        found = found.split()
    candidates = found if isinstance(found, list) else [found]
    return any(type(candidate) is type(wanted) and candidate == wanted for candidate in candidates)


def _username(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    name = settings.claims.username
    found = _find(claims, name)
    if not isinstance(found, str):
        raise ForbiddenError(f"The token has no username: its claim {name!r} is missing, or no text.")
    if settings.lowercase and any(not each.isascii() and each.lower().isascii() for each in found):
        raise ForbiddenError(f"The token's claim {name!r} has a letter that becomes another one in lower case.")
    try:
        return check_username(found.lower() if settings.lowercase else found)
    except InvalidNameError as error:
        raise ForbiddenError(f"The token's claim {name!r} cannot be a username: {error}") from None


def _id(found: Any, name: str) -> int:
    if isinstance(found, str) and _NUMBER.fullmatch(found):
        found = int(found)  # directories have their numbers as texts
    if type(found) is not int or not 0 <= found <= MAX_ID:
        raise ForbiddenError(f"The token's claim {name!r} is missing, or no whole number from 0 to {MAX_ID}.")
    return found


def _groups(claims: Mapping[str, Any], name: str, gids: Mapping[str, int]) -> tuple[Group, ...]:
    found = _find(claims, name)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise ForbiddenError(f"The token's claim {name!r} is no list of groups.")
    groups: dict[str, Group] = {}
    for each in found:
        group, gid = (each.get("name"), each.get("id")) if isinstance(each, Mapping) else (each, gids.get(str(each)))
        if not isinstance(group, str):
            raise ForbiddenError(f"The token's claim {name!r} has a group in it without a name.")
        if gid is not None:
            groups[group] = Group(group, _id(gid, name))
    return tuple(groups.values())

"""The ids of a user: from the authenticator, else from the commission, else the defaults of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from spawnpenny.domain.suggestions import shortened
from spawnpenny.domain.users import GROUP_NAME, MAX_GROUPS, MAX_ID, User, is_group_name
from spawnpenny.errors import ForbiddenError, UserConflictError
from spawnpenny.settings.sections import UserSettings

if TYPE_CHECKING:
    from spawnpenny.auth.identity import Identity

_IDS: Final = "Tell an administrator: the ids come from the user directory, and the limits from the settings (users)."


class KnownUser(Protocol):
    """A user with a record. ``uid_verified`` is true if an authenticator or a commission has verified the uid."""

    @property
    def user(self) -> User: ...

    @property
    def uid_verified(self) -> bool: ...


def resolve_user(username: str, identity: Identity, known: KnownUser | None, settings: UserSettings) -> User:
    """Return the user of a lab, whatever the body of the request says.

    The first verified uid replaces the default one of the site; gid and groups are always those of the authenticator.

    Raises:
        UserConflictError: The authenticator has another uid than the verified one of the user.
        ForbiddenError: The uid is below ``users.min_uid``, or the gid or a group is root's.

    """
    base = known.user if known is not None else User(username, settings.uid, settings.gid)
    if identity.username != username:
        return check_ids(base, settings)
    uid = base.uid if identity.uid is None else identity.uid
    if known is not None and known.uid_verified and uid != base.uid:
        raise UserConflictError(
            f"{username} is known with uid {base.uid}, and now comes with uid {uid}. "
            "Somebody with the scope commission has to say which is right."
        )
    gid = base.gid if identity.gid is None else identity.gid
    groups = base.groups if identity.groups is None else identity.groups
    return check_ids(User(username, uid, gid, groups), settings)


def check_ids(user: User, settings: UserSettings) -> User:
    """Return the user, if the site accepts the ids.

    Raises:
        ForbiddenError: The uid is below ``users.min_uid``, the gid or a group is root's, an id is too large, there are
            too many groups, or one has no name that a group may have.

    """
    if user.uid < settings.min_uid:
        raise ForbiddenError(
            f"The uid {user.uid} of {user.username} is below the smallest allowed one, {settings.min_uid}.",
            advice=_IDS,
        )
    if user.gid < 1 or any(group.id < 1 for group in user.groups):
        raise ForbiddenError(f"{user.username} would have the group of root, 0, which is not allowed.", advice=_IDS)
    if (largest := max(user.uid, user.gid, *(group.id for group in user.groups))) > MAX_ID:
        raise ForbiddenError(
            f"{user.username} would have the id {largest}; the largest allowed one is {MAX_ID}.", advice=_IDS
        )
    if len(user.groups) > MAX_GROUPS:
        raise ForbiddenError(
            f"{user.username} has {len(user.groups)} groups; at most {MAX_GROUPS} are allowed.", advice=_IDS
        )
    wrong = next((group.name for group in user.groups if not is_group_name(group.name)), None)
    if wrong is not None:
        raise ForbiddenError(
            f"{user.username} has the group {shortened(wrong)!r}; the name of a group is {GROUP_NAME}.", advice=_IDS
        )
    return user

"""Who a user is: what the authenticator vouches for, else what was commissioned, else the site's defaults."""

from __future__ import annotations

from spawnpenny.domain.users import User
from spawnpenny.errors import ForbiddenError, UserConflictError
from spawnpenny.identity import Identity
from spawnpenny.settings import UserSettings


def resolve_user(username: str, identity: Identity, known: User | None, settings: UserSettings) -> User:
    """Return the user that a lab is for. The body of a request has no say in it.

    Raises:
        UserConflictError: The authenticator vouches for another uid than the user is known with.
        ForbiddenError: The uid is below ``users.min_uid``.

    """
    speaks_for = identity.username == username
    uid = identity.uid if speaks_for else None
    gid = identity.gid if speaks_for else None
    groups = identity.groups if speaks_for else None
    if known is None:
        user = User(
            username,
            settings.uid if uid is None else uid,
            settings.gid if gid is None else gid,
            groups or (),
        )
    else:
        if uid is not None and uid != known.uid:
            raise UserConflictError(
                f"{username} is known with uid {known.uid}, and now comes with uid {uid}. "
                "Somebody with the scope commission has to say which is right."
            )
        user = User(
            username,
            known.uid,
            known.gid if gid is None else gid,
            known.groups if groups is None else groups,
        )
    check_uid(user, settings)
    return user


def check_uid(user: User, settings: UserSettings) -> None:
    """Refuse a uid that the site does not take.

    Raises:
        ForbiddenError: It is below ``users.min_uid``.

    """
    if user.uid < settings.min_uid:
        raise ForbiddenError(
            f"The uid {user.uid} of {user.username} is below the smallest that is taken, {settings.min_uid}."
        )

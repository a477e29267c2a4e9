"""What goes with a server, or with a user, that is deleted from the Hub for good."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Final

from spawnpenny.clients.errors import ClientError, ProblemError
from spawnpenny.clients.http import Client, User

_WAIT: Final = 60.0


async def purge(client: Client, user: str, lab: str, log: logging.Logger) -> None:
    """Delete the storage of a server, or tell the log why it is kept."""
    what = f"The storage of {user}'s lab {lab}"
    try:
        left = await client.stop_lab(user, lab, purge=True, wait=_WAIT)
    except ClientError as error:
        if _forbidden(error):
            log.warning("%s is kept: the Hub's token has not the scope `purge`.", what)
        else:
            log.warning("%s may be there still: %s", what, error)
    else:
        log.info("%s %s.", what, "is gone" if left is None else "goes once the lab is gone")


async def retire(client: Client, user: str, log: logging.Logger, *, storage: bool) -> None:
    """Retire a user, with the user's storage where that is allowed; tell the log what stays."""
    try:
        left = await _retired(client, user, log, storage=storage)
    except ClientError as error:
        if not (isinstance(error, ProblemError) and error.code == "user_not_found"):
            log.warning("%s is not retired: %s", user, error)
        return
    if left is not None and left.status == "failed":
        log.error("%s is not retired: %s", user, left.reason.message if left.reason else "it failed")
    else:
        log.info("%s %s.", user, "is retired" if left is None else "is being retired")


async def _retired(client: Client, user: str, log: logging.Logger, *, storage: bool) -> User | None:
    if not storage:
        return await client.retire(user, wait=_WAIT)
    try:
        return await client.retire(user, purge=True, wait=_WAIT)
    except ProblemError as error:
        if not _forbidden(error):
            raise
    log.warning("%s's storage is kept: the Hub's token has not the scope `purge`.", user)
    return await client.retire(user, wait=_WAIT)


def _forbidden(error: ClientError) -> bool:
    return isinstance(error, ProblemError) and error.status == HTTPStatus.FORBIDDEN

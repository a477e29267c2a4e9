"""Deletion of the storage and of the user, when a server or a user is deleted from the Hub."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, Final

from spawnpenny.clients.errors import ClientError, ProblemError
from spawnpenny.clients.http import DEFAULT_LAB, Client, User
from spawnpenny.clients.jupyterhub.errors import cause_of
from spawnpenny.clients.jupyterhub.lab_handle import started_by
from spawnpenny.clients.jupyterhub.service_access import ServiceAccess

_WAIT: Final = 60.0


class Deletion(ServiceAccess):
    """Mixin for the deletion of a server or its user from the Hub; list it before JupyterHub's Spawner."""

    log: Any
    _log_name: Any
    _has_reserved_name: Any
    _handle: Any
    _is_foreign: Any

    async def delete_forever(self) -> None:
        """Delete the storage and retire the user, if the traits say so and the Hub's token allows it.

        JupyterHub removes a default server only with its user, and not while another server of the user runs.
        """
        if self._has_reserved_name:
            return
        if not self.name and (active := [name for name, spawner in self.user.spawners.items() if spawner.active]):
            self.log.warning(
                "Storage and user %s are kept, as these servers are not stopped: %s",
                self.user.name,
                ", ".join(name or DEFAULT_LAB for name in sorted(active)),
            )
            return
        client = await self._client()
        if await self._belongs_to_another():
            return
        if self.purge_storage:
            await purge(client, self.user.name, self._lab, self.log)
        if self.retire_users and not self.name:
            await retire(client, self.user.name, self.log, storage=self.purge_storage)

    async def _belongs_to_another(self) -> bool:
        """Return whether another caller's server of this name exists or may exist. Then nothing is deleted."""
        try:
            found = await self._handle.look()
        except Exception as error:  # noqa: BLE001 - after any error the owner is unknown, and nothing is deleted
            self.log.warning("The storage of %s is kept: %s", self._log_name, cause_of(error))
            return True
        if found is None or found.over or not self._is_foreign(found):
            return False
        self.log.warning("The storage of %s is kept: %s", self._log_name, started_by(found))
        return True


async def purge(client: Client, user: str, lab: str, log: logging.Logger) -> None:
    """Delete the storage of a server, or log why it is kept."""
    what = f"The storage of {user}'s lab {lab}"
    try:
        left = await client.stop_lab(user, lab, purge=True, wait=_WAIT)
    except ClientError as error:
        if _forbidden(error):
            log.warning("%s is kept: the Hub's token does not have the scope `purge`.", what)
        else:
            log.warning("%s may still exist: %s", what, error)
    else:
        log.info("%s %s.", what, "is deleted" if left is None else "will be deleted once the lab is gone")


async def retire(client: Client, user: str, log: logging.Logger, *, storage: bool) -> None:
    """Retire a user, with the storage if that is allowed, and log what is kept."""
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
    log.warning("%s's storage is kept: the Hub's token does not have the scope `purge`.", user)
    return await client.retire(user, wait=_WAIT)


def _forbidden(error: ClientError) -> bool:
    return isinstance(error, ProblemError) and error.status == HTTPStatus.FORBIDDEN

"""Whose token a call is made with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spawnpenny.clients.jupyterhub.refusals import MisconfiguredError, RefusedError


def hub_token(token: str, token_file: str) -> str:
    """Return the Hub's own token; the file is read anew.

    Raises:
        MisconfiguredError: There is none.

    """
    if token_file:
        try:
            token = Path(token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it holds no token"
            raise MisconfiguredError(f"SpawnpennySpawner.token_file: {token_file} cannot be read: {why}.") from None
    if not token:
        raise MisconfiguredError("The Hub has no token for spawnpenny: set SpawnpennySpawner.token_file.")
    return token


async def user_credential(user: Any, field: str) -> str:
    """Return the credential that a user's login left in ``auth_state``, at a dotted path.

    Raises:
        RefusedError: There is none.

    """
    found = await user.get_auth_state()
    for part in field.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, str) or not found:
        message = "Your login left no credential with which a server could be started for you."
        advice = "Log out of the Hub, and log in again; if it stays so, tell an administrator."
        raise RefusedError("credential_missing", message, advice=advice, status=403)
    return found

"""Tokens for calls to the service: the Hub's own, or the user's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spawnpenny.clients.jupyterhub.errors import MisconfiguredError, RefusedError


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
    if not _is_token(token):
        source = f"token_file: {token_file}" if token_file else "token"
        raise MisconfiguredError(f"SpawnpennySpawner.{source} holds no token: that is one word of ASCII characters.")
    return token


async def user_credential(user: Any, field: str) -> str:
    """Return the credential that a user's login left in ``auth_state``, at a dotted path.

    Raises:
        MisconfiguredError: The Hub keeps no ``auth_state``.
        RefusedError: There is none.

    """
    if problem := auth_state_problem(user.authenticator):
        raise MisconfiguredError(problem)
    found = await user.get_auth_state()
    for part in field.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, str) or not _is_token(found):
        message = "Your login left no credential with which a server could be started for you."
        advice = "Log out of the Hub, and log in again; if it stays so, tell an administrator."
        raise RefusedError("credential_missing", message, advice=advice, status=403)
    return found


def _is_token(text: str) -> bool:
    """Return whether an HTTP header can carry a text as a token."""
    return bool(text) and all("!" <= character <= "~" for character in text)


def auth_state_problem(authenticator: Any) -> str | None:
    """Return why a Hub with this authenticator keeps no ``auth_state``, None where it keeps it."""
    if getattr(authenticator, "enable_auth_state", True):
        return None
    return (
        "SpawnpennySpawner.auth_state_field is set, and logins leave no auth_state: set "
        "c.Authenticator.enable_auth_state = True and JUPYTERHUB_CRYPT_KEY in the Hub's environment."
    )

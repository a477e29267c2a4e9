"""Static tokens: the settings have their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from spawnpenny.auth.identity import Authenticator, Credentials, Identity
from spawnpenny.settings.sections import TokenSettings


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token in hex, as the settings have it."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class StaticTokens(Authenticator):
    """Authenticate by the tokens of the setting ``tokens``."""

    def __init__(self, tokens: Mapping[str, TokenSettings]) -> None:
        self._tokens = [
            (
                token.sha256.encode(),
                Identity(f"token:{name}", frozenset(token.scopes), username=token.user),
            )
            for name, token in sorted(tokens.items())
        ]

    async def authenticate(self, credentials: Credentials) -> Identity | None:
        if credentials.token is None:
            return None
        given = hash_token(credentials.token).encode()
        # Every token is compared, also after a match, so that the time reveals nothing about the tokens.
        found = [identity for known, identity in self._tokens if hmac.compare_digest(known, given)]
        return found[0] if found else None

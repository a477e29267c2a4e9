"""Static tokens: the settings have their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from spawnpenny.auth.identity import Authenticator, Credentials, Identity
from spawnpenny.settings.sections import TokenSettings


def hash_token(token: str) -> str:
    """Return what stands for a token in the settings: the SHA-256 of its text, in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class StaticTokens(Authenticator):
    """Knows the tokens of the setting ``tokens``."""

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
        # Every token is compared, also after a match: how long it takes reveals nothing of which one was near.
        found = [identity for known, identity in self._tokens if hmac.compare_digest(known, given)]
        return found[0] if found else None

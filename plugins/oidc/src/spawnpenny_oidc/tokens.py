"""The authenticator: it turns a token that the provider signed into the identity of its user."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import jwt

from spawnpenny.api import Authenticator, Credentials, Identity, UnauthenticatedError
from spawnpenny_oidc.claims import identity_of
from spawnpenny_oidc.keys import KeySet
from spawnpenny_oidc.provider import Provider
from spawnpenny_oidc.settings import OidcSettings

_NEEDED: Final = ["iss", "aud", "exp", "iat"]
_DOTS: Final = 2


class SignedTokens(Authenticator):
    """Authenticates the tokens of one provider; those of others are left to other authenticators."""

    def __init__(self, settings: OidcSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self.scopes = frozenset(settings.scopes)
        self._provider = Provider(settings)
        self._keys = KeySet(self._provider.keys, refresh=settings.refresh, clock=clock)

    async def __aenter__(self) -> Self:
        await self._provider.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._provider.__aexit__(kind, error, trace)

    async def authenticate(self, credentials: Credentials) -> Identity | None:
        token = credentials.token
        if token is None or token.count(".") != _DOTS or not token.isascii():
            return None
        header = self._header_of_ours(token)
        if header is None:
            return None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._settings.algorithms:
            raise UnauthenticatedError(
                f"The algorithm of the token's signature is not accepted ({', '.join(self._settings.algorithms)} are)."
            )
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise UnauthenticatedError("The token is signed with a key that its issuer does not list.")
        return identity_of(self._claims(token, key, algorithm), self._settings)

    def _header_of_ours(self, token: str) -> dict[str, Any] | None:
        """Return the header of a token that claims to be from our issuer. It is not verified yet."""
        try:
            found = jwt.decode_complete(token, options={"verify_signature": False})
        except (jwt.PyJWTError, RecursionError):  # deeply nested JSON
            return None
        header: dict[str, Any] = found["header"]
        return header if found["payload"].get("iss") == self._settings.issuer else None

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=self._settings.leeway,
                options={"require": _NEEDED},
            )
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(_message(error)) from None
        return claims


def _message(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "The token has expired: log in again."
        case jwt.ImmatureSignatureError():
            return "The token is not valid yet."
        case jwt.InvalidAudienceError():
            return "The token is for another audience."
        case jwt.MissingRequiredClaimError():
            return f"The token has no claim {error.claim!r}."
        case _:
            return "The token is not valid."

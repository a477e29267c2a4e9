"""The authenticator: it turns a user's token of JupyterHub into the identity of that user."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from spawnpenny.api import Authenticator, Credentials, ForbiddenError, Identity
from spawnpenny_jupyterhub.hub import HubApi, Owner
from spawnpenny_jupyterhub.settings import HubSettings
from spawnpenny_jupyterhub.token_cache import TokenCache

_FORM: Final = re.compile(r"[0-9A-Za-z]{24,128}", re.ASCII)
"""Tokens of the Hub are 32 hex digits, its OAuth tokens letters and digits. A JWT has dots."""


class HubTokens(Authenticator):
    """Recognises tokens of JupyterHub's users by a lookup at the Hub. Other tokens are not sent there."""

    def __init__(self, settings: HubSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self.scopes = frozenset(settings.scopes).union(*settings.grants.values())
        self._hub = HubApi(settings, clock)
        self._cache: TokenCache[Owner] = TokenCache(settings.cache, clock)
        self._access = frozenset({"access:services", f"access:services!service={settings.service}"})

    async def __aenter__(self) -> Self:
        await self._hub.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._cache.close()
        await self._hub.__aexit__(kind, error, trace)

    async def authenticate(self, credentials: Credentials) -> Identity | None:
        token = credentials.token
        if token is None or not _FORM.fullmatch(token):
            return None
        owner = await self._cache.lookup(token, self._hub.owner, remote=credentials.remote)
        return None if owner is None else self._identity(owner)

    def _identity(self, owner: Owner) -> Identity:
        if owner.kind != "user":
            raise ForbiddenError(
                f"The token belongs to JupyterHub's {owner.kind} {owner.name!r}; only tokens of users are accepted. "
                "A service has a token of its own in the settings of spawnpenny."
            )
        if not owner.scopes & self._access:
            raise ForbiddenError(
                f"The token of {owner.name} does not have JupyterHub's scope "
                f"access:services!service={self._settings.service}."
            )
        granted = [scopes for scope, scopes in self._settings.grants.items() if scope in owner.scopes]
        scopes = frozenset(self._settings.scopes).union(*granted)
        return Identity(f"jupyterhub:{owner.name}", scopes, username=owner.name)

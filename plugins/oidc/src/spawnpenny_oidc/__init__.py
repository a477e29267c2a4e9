"""Authentication with tokens of an OpenID Connect provider.

Adds an authenticator, which checks the signature of a token and reads the user from its claims.
"""

from __future__ import annotations

from spawnpenny.api import Authenticator, Settings, hookimpl
from spawnpenny_oidc.settings import OidcSettingsSchema
from spawnpenny_oidc.tokens import SignedTokens


@hookimpl
def spawnpenny_authenticators(settings: Settings) -> list[Authenticator]:
    return [SignedTokens(settings.load("oidc", OidcSettingsSchema()))]

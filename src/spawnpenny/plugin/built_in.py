"""The plugin that is always loaded: static tokens."""

from __future__ import annotations

from spawnpenny.auth.identity import Authenticator
from spawnpenny.auth.static_tokens import StaticTokens
from spawnpenny.plugin.spec import hookimpl
from spawnpenny.settings.model import Settings


@hookimpl
def spawnpenny_authenticators(settings: Settings) -> list[Authenticator]:
    return [StaticTokens(settings.tokens)] if settings.tokens else []

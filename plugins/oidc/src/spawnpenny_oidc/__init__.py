"""Callers who hold a token of an OpenID Connect provider."""

from __future__ import annotations

from spawnpenny.api import Authenticator, Settings, hookimpl


@hookimpl
def spawnpenny_authenticators(settings: Settings) -> list[Authenticator]:
    return []

"""Callers who hold a token of JupyterHub.

Adds an authenticator, which asks the Hub whose a token is.
"""

from __future__ import annotations

from spawnpenny.api import Authenticator, Settings, hookimpl
from spawnpenny_jupyterhub.settings import HubSettingsSchema
from spawnpenny_jupyterhub.tokens import HubTokens


@hookimpl
def spawnpenny_authenticators(settings: Settings) -> list[Authenticator]:
    return [HubTokens(settings.load("jupyterhub", HubSettingsSchema()))]

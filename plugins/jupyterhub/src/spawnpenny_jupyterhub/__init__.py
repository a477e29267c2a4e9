"""Authentication with tokens of JupyterHub.

Adds an authenticator, which looks up the owner of a token at the Hub.
"""

from __future__ import annotations

from spawnpenny.api import Authenticator, Settings, hookimpl
from spawnpenny_jupyterhub.settings import HubSettingsSchema
from spawnpenny_jupyterhub.tokens import HubTokens


@hookimpl
def spawnpenny_authenticators(settings: Settings) -> list[Authenticator]:
    return [HubTokens(settings.load("jupyterhub", HubSettingsSchema()))]

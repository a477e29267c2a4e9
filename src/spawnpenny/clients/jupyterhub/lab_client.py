"""The way to the service: one client for all of a Hub's spawners, with the right token."""

from __future__ import annotations

from math import inf
from typing import Any, Final

from spawnpenny.clients.http import DEFAULT_LAB, Client, Patience
from spawnpenny.clients.jupyterhub.credentials import hub_token, user_credential
from spawnpenny.clients.jupyterhub.errors import MisconfiguredError
from spawnpenny.clients.jupyterhub.sharing import shared_client
from spawnpenny.clients.jupyterhub.traits import SpawnpennyTraits

_LONGEST: Final = 200
LOOK: Final = 8.0
"""Seconds in which what somebody waits for has to be known."""


def check_hub_name(name: str) -> None:
    """Refuse a name of the Hub that the service would not take.

    Raises:
        MisconfiguredError: It has characters that are not printable, or too many.

    """
    if name and (not name.isprintable() or len(name) > _LONGEST):
        raise MisconfiguredError(
            f"SpawnpennySpawner.hub_name is {name[:_LONGEST]!r}. Set it to at most {_LONGEST} printable characters."
        )


class Access(SpawnpennyTraits):
    """Access of a spawner to the service, by its traits."""

    user: Any
    name: str
    hub: Any
    hub_connect_url: Any

    @property
    def _program(self) -> str | None:
        """The Hub's name in the service; None if no setting gives one that outlives the Hub's process."""
        url = self.hub_connect_url
        if not url and self.hub is not None and (self.hub.connect_url or self.hub.connect_ip):
            url = self.hub.url
        name = self.hub_name or (f"JupyterHub {url}" if url else "")
        return name[:_LONGEST] or None

    @property
    def _lab(self) -> str:
        """The name of this server in the service."""
        return self.name or DEFAULT_LAB

    async def _authority(self) -> str:
        if self.auth_state_field:
            return await user_credential(self.user, self.auth_state_field)
        return hub_token(self.token, self.token_file)

    async def _shared(self) -> Client:
        return await shared_client(self.user.settings, self.url, self.ca_file)

    async def _client(self, most: float = inf) -> Client:
        """Return a client that holds the Hub's own token, and has at most so many seconds of patience."""
        token = hub_token(self.token, self.token_file)
        return (await self._shared()).holding(token, patience=Patience(total=min(self.patience, most)))

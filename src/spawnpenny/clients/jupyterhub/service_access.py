"""Access of spawners to the service: one client for all spawners of a Hub, with the right token."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, MutableMapping
from math import inf
from pathlib import Path
from typing import Any, Final

from spawnpenny.clients.http import DEFAULT_LAB, Client, Patience
from spawnpenny.clients.jupyterhub.errors import MisconfiguredError, RefusedError
from spawnpenny.clients.jupyterhub.traits import SpawnpennyTraits

LOOK_TIMEOUT: Final = 8.0
"""Seconds that a user waits at most for an answer of the service."""
_LONGEST_NAME: Final = 200
_CLIENTS: Final = "spawnpenny_clients"


class ServiceAccess(SpawnpennyTraits):
    """Mixin that connects a spawner with the service, as its traits say."""

    user: Any
    name: str
    hub: Any
    hub_connect_url: Any

    @property
    def _program(self) -> str | None:
        """The name of the Hub in the service; None if no setting gives one that survives a restart of the Hub."""
        url = self.hub_connect_url
        if not url and self.hub is not None and (self.hub.connect_url or self.hub.connect_ip):
            url = self.hub.url
        name = self.hub_name or (f"JupyterHub {url}" if url else "")
        return name[:_LONGEST_NAME] or None

    @property
    def _lab(self) -> str:
        """The name of this server's lab in the service."""
        return self.name or DEFAULT_LAB

    async def _start_token(self) -> str:
        """Return the token that starts a server: the user's own, or else the Hub's."""
        if self.auth_state_field:
            return await user_credential(self.user, self.auth_state_field)
        return hub_token(self.token, self.token_file)

    async def _shared_client(self) -> Client:
        return await shared_client(self.user.settings, self.url, self.ca_file)

    async def _client(self, most: float = inf) -> Client:
        """Return a client with the Hub's own token, which retries for at most so many seconds."""
        token = hub_token(self.token, self.token_file)
        return (await self._shared_client()).with_token(token, patience=Patience(total=min(self.patience, most)))


def check_hub_name(name: str) -> None:
    """Check the name of the Hub as the service does.

    Raises:
        MisconfiguredError: The name is too long, or has characters that are not printable.

    """
    if name and (not name.isprintable() or len(name) > _LONGEST_NAME):
        raise MisconfiguredError(
            f"SpawnpennySpawner.hub_name is {name[:_LONGEST_NAME]!r}. "
            f"Set it to at most {_LONGEST_NAME} printable characters."
        )


def hub_token(token: str, token_file: str) -> str:
    """Return the Hub's own token. The file is read on every call.

    Raises:
        MisconfiguredError: The Hub has no valid token.

    """
    if token_file:
        try:
            token = Path(token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it does not contain a token"
            raise MisconfiguredError(f"SpawnpennySpawner.token_file: {token_file} cannot be read: {why}.") from None
    if not token:
        raise MisconfiguredError("The Hub has no token for spawnpenny: set SpawnpennySpawner.token_file.")
    if not _is_token(token):
        source = f"token_file: {token_file}" if token_file else "token"
        raise MisconfiguredError(
            f"SpawnpennySpawner.{source} does not contain a token: a token is one word of ASCII characters."
        )
    return token


async def user_credential(user: Any, field: str) -> str:
    """Return the credential of a user from ``auth_state``, at a dotted path.

    Raises:
        MisconfiguredError: The Hub keeps no ``auth_state``.
        RefusedError: The user's ``auth_state`` has no credential.

    """
    if problem := auth_state_problem(user.authenticator):
        raise MisconfiguredError(problem)
    found = await user.get_auth_state()
    for part in field.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, str) or not _is_token(found):
        message = "Your login has no credential to start a server with."
        advice = "Log out of the Hub and log in again. If that does not help, tell an administrator."
        raise RefusedError("credential_missing", message, advice=advice, status=403)
    return found


def _is_token(text: str) -> bool:
    """Return whether a text can be sent as a token in an HTTP header."""
    return bool(text) and all("!" <= character <= "~" for character in text)


def auth_state_problem(authenticator: Any) -> str | None:
    """Return why a Hub with this authenticator keeps no ``auth_state``; None if it does."""
    if getattr(authenticator, "enable_auth_state", True):
        return None
    return (
        "SpawnpennySpawner.auth_state_field is set, but the Hub keeps no auth_state: set "
        "c.Authenticator.enable_auth_state = True and JUPYTERHUB_CRYPT_CLIENTS in the Hub's environment."
    )


async def shared_client(settings: MutableMapping[str, Any], url: str, ca_file: str) -> Client:
    """Return the client without a token that all spawners of a Hub share, for one URL and event loop.

    A task opens it on first use and keeps it open. The Hub cancels all tasks when it ends, which closes the client.

    Raises:
        MisconfiguredError: The URL is not set, or the file of authorities cannot be used.

    """
    if not url:
        raise MisconfiguredError(
            "SpawnpennySpawner.url is not set, nor is SPAWNPENNY_URL. Set one to the URL of the service."
        )
    clients = settings.setdefault(_CLIENTS, {})
    key = (asyncio.get_running_loop(), url, ca_file)
    shared: _SharedClient | None = clients.get(key)
    if shared is None or shared.task.done():
        shared = clients[key] = _SharedClient(Client(url, trust=_authorities(ca_file)))
    return await asyncio.shield(shared.opened)


class _SharedClient:
    """A client and the task that keeps it open."""

    def __init__(self, client: Client) -> None:
        self.opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run(client))

    async def _run(self, client: Client) -> None:
        async with client:
            self.opened.set_result(client)
            await asyncio.Event().wait()


def _authorities(ca_file: str) -> ssl.SSLContext | None:
    if not ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one, too
        raise MisconfiguredError(f"SpawnpennySpawner.ca_file: {ca_file} cannot be used: {error}.") from None

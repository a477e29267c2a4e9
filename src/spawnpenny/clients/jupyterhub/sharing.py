"""One open client for all of a Hub's spawners."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import MutableMapping
from typing import Any, Final

from spawnpenny.clients.http import Client
from spawnpenny.clients.jupyterhub.errors import MisconfiguredError

_KEY: Final = "spawnpenny_clients"


async def shared_client(settings: MutableMapping[str, Any], url: str, ca_file: str) -> Client:
    """Return the client that the Hub with these settings has for a URL in this event loop; it holds no token.

    It is opened on first use, by a task that keeps it: the Hub cancels all tasks when it ends, and so it is closed.

    Raises:
        MisconfiguredError: The URL is not set, or the file of authorities cannot be used.

    """
    if not url:
        raise MisconfiguredError("SpawnpennySpawner.url is not set, nor is SPAWNPENNY_URL: where is the service?")
    clients = settings.setdefault(_KEY, {})
    key = (asyncio.get_running_loop(), url, ca_file)
    keeper: _Keeper | None = clients.get(key)
    if keeper is None or keeper.task.done():
        keeper = clients[key] = _Keeper(Client(url, trust=_authorities(ca_file)))
    return await asyncio.shield(keeper.opened)


class _Keeper:
    def __init__(self, client: Client) -> None:
        self.opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._keep(client))

    async def _keep(self, client: Client) -> None:
        async with client:
            self.opened.set_result(client)
            await asyncio.Event().wait()


def _authorities(ca_file: str) -> ssl.SSLContext | None:
    if not ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # of which ssl.SSLError is one
        raise MisconfiguredError(f"SpawnpennySpawner.ca_file: {ca_file} cannot be used: {error}.") from None

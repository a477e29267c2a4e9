"""Act as a user of the demo's Hub, over the Hub's REST API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from spawnpenny.cli.exits import CommandError
from spawnpenny.clients.hub import HubSession, server_path, user_path

_PATIENCE: Final = 60.0
_PAUSE: Final = 0.1


class Visit:
    """A user who has logged in, for as long as the context lasts, and that user's default server.

    Every call raises ``CommandError`` where the Hub refuses or cannot be reached.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.token = ""
        self._url = url
        self._user = user
        self._password = password
        self._path = user_path(user)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(self._url, timeout=aiohttp.ClientTimeout(total=_PATIENCE))
        try:
            credentials = {"username": self._user, "password": self._password}
            answer = await self._ask("POST", f"{self._path}/tokens", {"auth": credentials, "note": "demo"})
            self.token = answer["token"]
            self._session.headers["Authorization"] = f"token {self.token}"
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def start(self) -> None:
        """Ask for the server."""
        await self._ask("POST", server_path(self._user), {})

    async def progress(self) -> AsyncIterator[str]:
        """Yield what the progress page shows, until the server runs.

        Raises:
            CommandError: The server did not start; with the reason that the page gives.

        """
        try:
            async with aclosing(HubSession(self._session).progress(self._user)) as events:
                async for event in events:
                    if event.get("failed"):
                        raise CommandError(f"The server did not start. {event['message']}")
                    yield str(event["message"])
                    if event.get("ready"):
                        return
        except aiohttp.ClientError as error:
            raise CommandError(f"The Hub did not tell the progress: {error}.") from None
        raise CommandError("The Hub hung up before the server ran.")

    async def server(self) -> str:
        """Return the server's URL."""
        servers = (await self._ask("GET", self._path))["servers"]
        return f"{self._url}{servers['']['url']}"

    async def stop(self) -> None:
        """Stop the server, and wait until the Hub has it as stopped."""
        await self._ask("DELETE", server_path(self._user))
        async with asyncio.timeout(_PATIENCE):
            while (await self._ask("GET", self._path)).get("servers"):  # noqa: ASYNC110 - the Hub tells nobody
                await asyncio.sleep(_PAUSE)

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            status, answer = await HubSession(self._session).ask(method, path, body)
        except aiohttp.ClientError as error:
            raise CommandError(f"The Hub could not be asked: {error}.") from None
        if status >= HTTPStatus.BAD_REQUEST:
            why = answer["message"] if isinstance(answer, dict) else HTTPStatus(status).phrase
            raise CommandError(f"The Hub refused: {why}.")
        return answer

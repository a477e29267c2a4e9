"""Visit the demo's Hub as a user, over the Hub's REST API."""

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
    """A user who is logged in until the context ends, and that user's default server.

    Every call raises ``CommandError`` if the Hub refuses or cannot be reached.
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
            answer = await self._request("POST", f"{self._path}/tokens", {"auth": credentials, "note": "demo"})
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
        """Start the server."""
        await self._request("POST", server_path(self._user), {})

    async def progress(self) -> AsyncIterator[str]:
        """Yield the messages of the progress page until the server runs.

        Raises:
            CommandError: The server did not start; with the reason from the page.

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
            raise CommandError(f"The progress could not be read from the Hub: {error}.") from None
        raise CommandError("The Hub closed the connection before the server ran.")

    async def server(self) -> str:
        """Return the server's URL."""
        servers = (await self._request("GET", self._path))["servers"]
        return f"{self._url}{servers['']['url']}"

    async def stop(self) -> None:
        """Stop the server, and wait until the Hub reports it as stopped."""
        await self._request("DELETE", server_path(self._user))
        async with asyncio.timeout(_PATIENCE):
            while (await self._request("GET", self._path)).get("servers"):  # noqa: ASYNC110 - the Hub has no event for it
                await asyncio.sleep(_PAUSE)

    async def _request(self, method: str, path: str, body: Any = None) -> Any:
        try:
            status, answer = await HubSession(self._session).ask(method, path, body)
        except aiohttp.ClientError as error:
            raise CommandError(f"The Hub could not be reached: {error}.") from None
        if status >= HTTPStatus.BAD_REQUEST:
            why = answer["message"] if isinstance(answer, dict) else HTTPStatus(status).phrase
            raise CommandError(f"The Hub refused: {why}.")
        return answer

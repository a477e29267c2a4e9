"""The demo as a client of the service: what it asks for, it asks for over HTTP, as a Hub would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import aiohttp

from spawnpenny.cli.exits import CommandError, RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_REFUSAL: Final = 400
_FAILURE: Final = 500


class Client:
    """Asks the service at a URL, with a token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return the JSON of its answer; empty where there is none.

        Raises:
            RefusedError: The service refuses; the message is its own.
            CommandError: The service fails.

        """
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.request(method, f"{self.url}{path}", json=body) as response,
        ):
            text = await response.text()
            answer: dict[str, Any] = json.loads(text) if text else {}
            if response.status >= _FAILURE:
                raise CommandError(f"The service failed: {answer.get('detail', response.reason)}")
            if response.status >= _REFUSAL:
                raise RefusedError(f"The service refused: {answer.get('detail', response.reason)}")
            return answer

    async def events(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a stream until the service ends it."""
        endless = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(headers=self._headers, timeout=endless) as session,
            session.get(f"{self.url}{path}") as response,
        ):
            async for raw in response.content:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))


def user_path(user: str) -> str:
    return f"/v1/users/{quote(user, safe='')}"


def lab_path(user: str) -> str:
    return f"{user_path(user)}/labs/~default"

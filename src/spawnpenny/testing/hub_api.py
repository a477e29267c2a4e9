"""A Hub's REST API, as tests ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from spawnpenny.clients.hub import HubSession, server_path, user_path
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.processes import ProcessError

_PAUSE: Final = 0.1


class HubApi:
    """Asks the Hub at a URL with an administrator's token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._session: aiohttp.ClientSession | None = None

    async def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Ask the Hub's REST API (``path`` is what follows ``/hub/api/``), and return status and answer.

        ``token`` is another one than the service's own.
        """
        return await self._hub().ask(method, path, body, token=token)

    async def have(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Ask the Hub's REST API for what has to succeed, and return the answer.

        Raises:
            ProcessError: It did not.

        """
        status, answer = await self.api(method, path, body, token=token)
        if status >= HTTPStatus.BAD_REQUEST:
            raise self.failure(f"{method} {path}: {status} {answer}")
        return answer

    async def add_user(self, user: str) -> None:
        """Make a user known, as a first login does."""
        status, answer = await self.api("POST", user_path(user))
        if status not in (HTTPStatus.CREATED, HTTPStatus.CONFLICT):
            raise self.failure(f"{user} was not made: {status} {answer}")

    async def token_of(self, user: str, **more: Any) -> str:
        """Make an API token of a user; ``more`` are further fields of the request, such as ``scopes``."""
        made: str = (await self.have("POST", f"{user_path(user)}/tokens", {"note": "test", **more}))["token"]
        return made

    async def start_server(
        self, user: str, name: str = "", options: Mapping[str, Any] | None = None, *, token: str | None = None
    ) -> int:
        """Request a user's server, and return the status at once; ``until_ready`` waits for it."""
        await self.add_user(user)
        status, answer = await self.api("POST", server_path(user, name), dict(options or {}), token=token)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self.failure(f"{user}'s server {name!r} was not asked for: {status} {answer}")
        return status

    async def stop_server(self, user: str, name: str = "", *, remove: bool = False) -> None:
        """Stop a user's server and wait until the Hub has it as stopped; ``remove`` forgets a named one."""
        await self.have("DELETE", server_path(user, name), {"remove": remove} if name else None)
        await self.until(lambda: self._stopped(user, name), f"The end of {user}'s server {name!r}")

    async def server(self, user: str, name: str = "") -> dict[str, Any] | None:
        """Return what the Hub says of a server that is active, pending or stopped but kept by name; else None."""
        found: dict[str, Any] | None = (await self.have("GET", user_path(user)))["servers"].get(name)
        return found

    async def until_ready(self, user: str, name: str = "") -> dict[str, Any]:
        """Wait until a server is ready, and return what the Hub says of it.

        Raises:
            ProcessError: It is not in time, or the Hub has given it up.

        """
        found: dict[str, Any] | None = None

        async def ready() -> bool:
            nonlocal found
            found = await self.server(user, name)
            if found is None or not (found["ready"] or found["pending"]):
                raise self.failure(f"{user}'s server {name!r} did not start.")
            return bool(found["ready"])

        await self.until(ready, f"{user}'s server {name!r}")
        return found or {}

    def progress(self, user: str, name: str = "") -> AsyncIterator[dict[str, Any]]:
        """Follow the progress of a server that starts, as the progress page does."""
        return self._hub().progress(user, name)

    async def until(self, fact: Callable[[], Awaitable[object]], what: str, *, seconds: float = PATIENCE) -> None:
        """Wait until what a function answers is true; ``what`` is for the message.

        Raises:
            ProcessError: It is not in time, or the Hub has ended.

        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not await fact():
            self.check()
            if loop.time() > end:
                raise self.failure(f"{what} was not there after {seconds:.0f} s.")
            await asyncio.sleep(_PAUSE)

    def check(self) -> None:
        """Check that the server is still wanted.

        Raises:
            ProcessError: It does not exist.

        """

    def failure(self, message: str) -> ProcessError:
        """Make an error of what went wrong."""
        return ProcessError(message)

    def _hub(self) -> HubSession:
        if self._session is None:
            raise self.failure("The Hub has not been started.")
        return HubSession(self._session)

    async def _stopped(self, user: str, name: str) -> bool:
        found = await self.server(user, name)
        return found is None or bool(found.get("stopped"))

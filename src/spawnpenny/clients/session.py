"""An open session with a service: connections, token and retry policy."""

from __future__ import annotations

import ssl
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from spawnpenny.clients.answers import Caller, read
from spawnpenny.clients.connection import Connection
from spawnpenny.clients.errors import UnexpectedAnswerError
from spawnpenny.clients.patience import Patience


class Session:
    """A session with the service at a URL, for the holder of a token. Open it by ``async with``.

    A request that is safe to repeat is sent again if there is no answer, or if the service says when to come back.

    Args:
        url: The URL of the service.
        token: The token; without one, only public routes answer.
        patience: For how long a request is sent again.
        trust: The authorities that sign the certificate of the service; by default those of the system.

    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience: Patience | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._patience = patience or Patience()
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No limit: every event stream keeps a connection, and many of them would block all other requests.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=self._trust or True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def with_token(self, token: str, *, patience: Patience | None = None) -> Self:
        """Return a client with another token and the same connections. It is open as long as this one."""
        other = type(self)(self.url, token, patience=patience or self._patience)
        other._session = self._session  # noqa: SLF001 - its own
        return other

    async def until_ready(self) -> None:
        """Wait until the service is ready.

        Raises:
            ClientError: It is not ready in time.

        """
        await self._request("GET", "/readyz")

    async def whoami(self) -> Caller:
        """Return the owner of the token, and its scopes.

        Raises:
            ClientError: There is no answer, or a refusal.

        """
        return read(Caller, await self._answer("GET", "/v1/whoami"))

    def _connection(self) -> Connection:
        if self._session is None:
            raise RuntimeError("open the client by `async with`")
        return Connection(self._session, self.url, self._token, self._patience)

    async def _request(self, method: str, path: str, **more: Any) -> dict[str, Any] | None:
        return await self._connection().ask(method, path, **more)

    async def _answer(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = await self._request(method, path, **more)
        if answer is None:
            raise UnexpectedAnswerError(f"{self.url} answered {HTTPStatus.NO_CONTENT}, and not as spawnpenny does.")
        return answer


def user_path(user: str) -> str:
    """Return the path of a user."""
    return f"/v1/users/{quote(user, safe='')}"

"""The REST API of a JupyterHub, for scripts and tests."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import aiohttp


class HubSession:
    """Requests to a Hub, over a session that sends a token. They raise ``aiohttp.ClientError`` if they fail."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Send a request; return the status and the answer, as text if it is not JSON.

        Args:
            method: The HTTP method.
            path: The path below ``/hub/api/``.
            body: The body, sent as JSON.
            token: A token to use instead of the session's.

        """
        headers = {"Authorization": f"token {token}"} if token else None
        async with self._session.request(method, f"/hub/api/{path}", json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def progress(self, user: str, name: str = "") -> AsyncGenerator[dict[str, Any]]:
        """Yield the progress messages of a server that is starting."""
        async with self._session.get(f"/hub/api/{server_path(user, name)}/progress") as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if line.startswith(b"data:"):
                    yield json.loads(line.removeprefix(b"data:"))


def user_path(user: str) -> str:
    """Return the path of a user."""
    return f"users/{quote(user, safe='')}"


def server_path(user: str, name: str = "") -> str:
    """Return the path of a server; without a name, of the default one."""
    return f"{user_path(user)}/servers/{quote(name, safe='')}" if name else f"{user_path(user)}/server"

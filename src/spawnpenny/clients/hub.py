"""The REST API of a JupyterHub, as a script or a test asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import aiohttp


class HubSession:
    """Asks a Hub over a session that sends a token. Every call raises ``aiohttp.ClientError`` where it fails."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Return the status and the answer, as text where it is no JSON.

        Args:
            method: The HTTP method.
            path: What follows ``/hub/api/``.
            body: What is sent, as JSON.
            token: Another one than the session's own.

        """
        headers = {"Authorization": f"token {token}"} if token else None
        async with self._session.request(method, f"/hub/api/{path}", json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def progress(self, user: str, name: str = "") -> AsyncGenerator[dict[str, Any]]:
        """Yield the progress of a server that starts, as the progress page has it."""
        async with self._session.get(f"/hub/api/{server_path(user, name)}/progress") as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if line.startswith(b"data:"):
                    yield json.loads(line.removeprefix(b"data:"))


def user_path(user: str) -> str:
    return f"users/{quote(user, safe='')}"


def server_path(user: str, name: str = "") -> str:
    return f"{user_path(user)}/servers/{quote(name, safe='')}" if name else f"{user_path(user)}/server"

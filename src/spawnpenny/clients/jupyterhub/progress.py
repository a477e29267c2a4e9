"""Progress of one start, for any number of readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from html import escape
from typing import Any, Final

from spawnpenny.clients.http import Event

_MOST: Final = 95
"""The highest percentage: the rest is for JupyterHub, which waits for the server and adds it to the proxy."""


class ProgressLog:
    """Messages in order. Every reader reads from the beginning, until the start is over."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._more = asyncio.Event()
        self._over = False
        self._percent = 0

    def take(self, event: Event) -> None:
        """Add an event."""
        self.report(event.message, event.progress or 0, warning=event.severity == "warning")

    def report(self, message: str, percent: int = 0, *, warning: bool = False) -> None:
        """Add a message."""
        self._percent = max(self._percent, min(percent, _MOST))
        entry: dict[str, Any] = {"progress": self._percent, "message": message}
        if warning:
            entry["html_message"] = f"<strong>{escape(message)}</strong>"
        self._messages.append(entry)
        self._wake()

    def end(self) -> None:
        """End the log: no more messages follow."""
        self._over = True
        self._wake()

    async def read(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield all messages and wait for new ones, until the end."""
        position = 0
        while True:
            more = self._more
            for entry in self._messages[position:]:
                position += 1
                yield dict(entry)
            if self._over and position == len(self._messages):
                return
            if more is self._more:
                await more.wait()

    def _wake(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()

"""Progress of one spawn, for any number of readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from html import escape
from typing import Any, Final

from spawnpenny.clients.http import Event

_MOST: Final = 95
"""Of a hundred: the rest is JupyterHub's, which asks the lab whether it answers, and sets up the way to it."""


class ProgressLog:
    """Messages in the order they came, read from the beginning by each reader, until it is over."""

    def __init__(self) -> None:
        self._told: list[dict[str, Any]] = []
        self._more = asyncio.Event()
        self._over = False
        self._percent = 0

    def take(self, event: Event) -> None:
        """Add an event."""
        self.report(event.message, event.progress or 0, warning=event.severity == "warning")

    def report(self, message: str, percent: int = 0, *, warning: bool = False) -> None:
        self._percent = max(self._percent, min(percent, _MOST))
        told: dict[str, Any] = {"progress": self._percent, "message": message}
        if warning:
            told["html_message"] = f"<strong>{escape(message)}</strong>"
        self._told.append(told)
        self._wake()

    def end(self) -> None:
        """Say that nothing comes any more."""
        self._over = True
        self._wake()

    async def read(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield all messages, and the ones to come, to the end."""
        place = 0
        while True:
            more = self._more
            for each in self._told[place:]:
                place += 1
                yield dict(each)
            if self._over and place == len(self._told):
                return
            if more is self._more:
                await more.wait()

    def _wake(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()

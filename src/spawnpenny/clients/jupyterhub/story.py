"""What is told of one spawn, to all who watch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from html import escape
from typing import Any, Final

from spawnpenny.clients.http import Event, Lab

_FIRST: Final = 5
_STEPS: Final = 85
"""Of a hundred: what the steps make up. The rest is JupyterHub's, which asks the lab when it runs."""
_COMPLETE: Final = frozenset({"done", "skipped"})


class Story:
    """Messages in the order they came, read from the beginning by each reader, until it is over."""

    def __init__(self) -> None:
        self._told: list[dict[str, Any]] = []
        self._more = asyncio.Event()
        self._over = False
        self._percent = 0
        self._steps: set[str] = set()
        self._complete: set[str] = set()

    def expect(self, lab: Lab) -> None:
        """Know of which steps the spawn consists."""
        self._steps |= {step.name for step in lab.steps}

    def take(self, event: Event) -> None:
        """Tell of an event."""
        if event.step:
            self._steps.add(event.step)
            if event.state in _COMPLETE:
                self._complete.add(event.step)
        self.tell(event.message, self._reached(event), warning=getattr(event, "severity", None) == "warning")

    def tell(self, message: str, percent: int = 0, *, warning: bool = False) -> None:
        self._percent = max(self._percent, percent)
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
        """Yield what was told, and what is being told, to the end."""
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

    def _reached(self, event: Event) -> int:
        share = len(self._complete) / len(self._steps) if self._steps else 0
        return 95 if event.phase == "running" else _FIRST + round(_STEPS * share)

    def _wake(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()

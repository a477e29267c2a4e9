"""Show the progress of a cluster's start to the user who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from spawnpenny.clients.answers import Event

_QUIETLY: Final = 3.0
"""Seconds of a start before its events are shown. A quick start shows none."""
_FOR_USERS: Final = "info"
"""The type of events for users; the others are about single steps."""


class Progress:
    """The events of a start, which are shown once it takes long."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._waiting: list[str] | None = []
        self._on = False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show events within the context."""
        self._on = True
        timer = asyncio.get_running_loop().call_later(_QUIETLY, self._begin)
        try:
            yield
        finally:
            timer.cancel()
            self._on = False

    def take(self, event: Event) -> None:
        if not self._on or (event.type != _FOR_USERS and event.severity is None):
            return
        if self._waiting is None:
            self._show(event.message)
        else:
            self._waiting.append(event.message)

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting or [], None
        for message in waiting:
            self._show(message)

"""Collect warnings in the event loop, and issue them in the user's own thread."""

from __future__ import annotations

import warnings

from spawnpenny.clients.dask.errors import ClusterWarning


class Notices:
    """Warnings yet to be given. They are given in the thread that asked, at the user's own line."""

    def __init__(self) -> None:
        self._unsaid: list[str] = []

    def hear(self, message: str | None) -> None:
        if message:
            self._unsaid.append(message)

    def show(self, *, stacklevel: int) -> None:
        """Warn of all that was heard."""
        unsaid, self._unsaid = self._unsaid, []
        for message in unsaid:
            warnings.warn(message, ClusterWarning, stacklevel=stacklevel)

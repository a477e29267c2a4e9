"""Collect warnings in the event loop, and issue them in the user's own thread."""

from __future__ import annotations

import warnings

from spawnpenny.clients.dask.errors import ClusterWarning


class Notices:
    """Warnings that are not issued yet. They are issued in the user's thread, at the user's line."""

    def __init__(self) -> None:
        self._pending: list[str] = []

    def add(self, message: str | None) -> None:
        if message:
            self._pending.append(message)

    def show(self, *, stacklevel: int) -> None:
        """Issue all collected warnings."""
        pending, self._pending = self._pending, []
        for message in pending:
            warnings.warn(message, ClusterWarning, stacklevel=stacklevel)

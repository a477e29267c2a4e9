"""Track the workers that a scheduler is retiring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

_PATIENCE: Final = 30.0
"""Seconds after which one that was let go, and is there still, is one like any other."""


class Spared:
    """Remembers for a while who was let go: such a worker ends by itself, and its end is no failure."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._at

    def add(self, names: Iterable[str]) -> None:
        self._at.update(dict.fromkeys(names, self._clock()))

    def seen_in(self, workers: Mapping[str, str]) -> dict[str, str]:
        """Return the status of the workers that a scheduler reports, and of those that it no longer reports."""
        self.add(name for name, status in workers.items() if status.startswith("clos"))
        oldest = self._clock() - _PATIENCE
        for name, at in list(self._at.items()):
            stays = not workers.get(name, "closed").startswith("clos")  # its data had nowhere to go
            if stays or (at < oldest and name not in workers):
                del self._at[name]
        return {**dict.fromkeys(self._at, "closed"), **workers}

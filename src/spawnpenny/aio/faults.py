"""Isolation of items: one that cannot be handled is reported once and skipped, and the others go on."""

from __future__ import annotations

import traceback
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

_MOST_REMEMBERED: Final = 1000


class Faults:
    """Items of one process that could not be handled. ``counts`` says how often, by kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._log = structlog.get_logger("spawnpenny.faults")

    def present(self) -> Mapping[str, int]:
        """Return how many items cannot be handled at present, by kind; the oldest beyond a thousand are left out."""
        return Counter(kind for kind, _ in self._known)

    def forget(self, kind: str, name: str) -> None:
        """Note that an item is gone."""
        self._known.pop((kind, name), None)

    @contextmanager
    def isolated(self, kind: str, name: str) -> Iterator[None]:
        """Handle one item: catch any error, and log it if it is new.

        Args:
            kind: The kind of the item, such as ``record`` or ``pod``; the code in the log is ``<kind>_unhandled``.
            name: Its name.

        """
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the other items have to be handled
            self._add(kind, name, error)
        else:
            self._known.pop((kind, name), None)

    def _add(self, kind: str, name: str, error: Exception) -> None:
        self.counts[kind] += 1
        text = _describe(error)
        if self._known.get((kind, name)) == text:
            return
        self._known[kind, name] = text
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        self._log.error("item_skipped", code=f"{kind}_unhandled", kind=kind, name=name, error=text)


def _describe(error: Exception) -> str:
    """Return what was raised and where, without its message: that may quote the item."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"

"""Which paths of a scheduler's dashboard may be asked for."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_CLOSED: Final = frozenset({"api", "jupyter"})
"""The scheduler's own API closes workers, and its Jupyter server runs code; neither asks who it is."""
_ROUNDS: Final = 4
_STRANGE: Final = re.compile(r"[\x00-\x1f\x7f]")
_SLASHES: Final = re.compile(r"[/\\]")


def is_open(path: str) -> bool:
    """Whether a path, as it came and beginning with a slash, may be asked for.

    It is read in every way that a server may read it: decoded once or more, with backslashes, with empty segments, with
    parameters. Whatever leads to what is closed in one of them, or up, is closed.
    """
    readings = [path]
    while (decoded := unquote(readings[-1], errors="replace")) != readings[-1]:
        if len(readings) > _ROUNDS:
            return False
        readings.append(decoded)
    return all(_reads_open(reading) for reading in readings)


def _reads_open(path: str) -> bool:
    if _STRANGE.search(path):
        return False
    segments = [segment.partition(";")[0].strip().casefold() for segment in _SLASHES.split(path)]
    if any(segment in {".", ".."} for segment in segments):
        return False
    first = next((segment for segment in segments if segment), "")
    return first.rstrip(". ") not in _CLOSED

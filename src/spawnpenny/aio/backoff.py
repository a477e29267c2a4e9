"""Pauses between tries: exponential, with jitter, so that many callers do not come back together."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def pauses(first: float = 1.0, most: float = 30.0) -> Iterator[float]:
    """Yield seconds without end: ``first``, doubling up to ``most``, each up to a half shorter by chance."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1)  # noqa: S311 - spreads callers, guards nothing
        pause = min(pause * 2, most)

"""Suggest a known name for an unknown one, at a bounded cost: callers may send many long names."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final

MOST_NAMED: Final = 10
"""Names of one kind that a refusal lists; it only counts the others."""
LONGEST: Final = 64
"""Characters of a caller's name that are compared and quoted."""
_MOST_COMPARED: Final = 100
_MOST_LISTED: Final = 40


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to a given one, or None if none is similar."""
    if len(name) > LONGEST:
        return None
    found = difflib.get_close_matches(name, list(islice(known, _MOST_COMPARED)), n=1)
    return found[0] if found else None


def shortened(name: str) -> str:
    """Return a name as a refusal quotes it: cut if it is long."""
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}…"


def listed(known: Collection[str]) -> str:
    """Return names for a sentence: the first ones, and the number of the others."""
    rest = len(known) - _MOST_LISTED
    text = ", ".join(islice(known, _MOST_LISTED)) or "none"
    return f"{text} and {rest} more" if rest > 0 else text

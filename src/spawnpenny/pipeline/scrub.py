"""Takes a caller's secrets out of text before it is stored or told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

SHORTEST: Final = 6
"""Shorter values are words like ``true`` or ``8888``: taking them out would spoil a sentence, and hide nothing."""


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Return the text with each of the secrets replaced, the longest first."""
    values = {form for value in secrets for form in (value, " ".join(value.split()))}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= SHORTEST:
            text = text.replace(value, "[secret]")
    return text

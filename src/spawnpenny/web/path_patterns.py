"""Paths of routes, with their parts in braces: compare which paths of requests fit them."""

from __future__ import annotations

import re
from typing import Final

PART: Final = re.compile(r"\{(\w+)\}")
"""A part of a path that takes any text."""


def overlap(path: str, other: str) -> bool:
    """Return whether some path of a request fits both: part by part, they are equal or one takes any text."""
    parts, others = path.split("/"), other.split("/")
    return len(parts) == len(others) and all(
        part == text or PART.fullmatch(part) or PART.fullmatch(text) for part, text in zip(parts, others, strict=True)
    )


def covers(path: str, other: str) -> bool:
    """Return whether each path of a request that fits the other fits this one."""
    parts, others = path.split("/"), other.split("/")
    return len(parts) == len(others) and all(
        PART.fullmatch(part) or part == text for part, text in zip(parts, others, strict=True)
    )


def shape(path: str) -> str:
    """Return the path without the names of its parts."""
    return PART.sub("{}", path)

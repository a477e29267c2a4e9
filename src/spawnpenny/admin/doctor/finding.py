"""The result of one check of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

APPLY: Final = (
    "Have the overlay bring it, or the next `kubectl apply -k` takes it away again: "
    "spawnpenny permissions --overlay OVERLAY --output kustomize, then kubectl apply -k OVERLAY"
)
"""What mends a right or a rule that is not as the settings want it."""


class Level(StrEnum):
    """``unknown``: these rights do not suffice to find out; ``warning``: it works, and could be better."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found: what is so, and what to do about it. ``check`` is filled in by who runs it."""

    level: Level
    says: str
    do: str = ""
    check: str = ""


def ok(says: str) -> Finding:
    return Finding(Level.OK, says)


def unknown(says: str, do: str = "Run doctor as an administrator.") -> Finding:
    return Finding(Level.UNKNOWN, says, do)


def warning(says: str, do: str) -> Finding:
    return Finding(Level.WARNING, says, do)


def failure(says: str, do: str) -> Finding:
    return Finding(Level.FAILURE, says, do)


_FEW = 10


def few(names: list[str]) -> str:
    """Return names as a text that stays readable."""
    shown = ", ".join(names[:_FEW])
    return f"{shown} and {len(names) - _FEW} more" if len(names) > _FEW else shown

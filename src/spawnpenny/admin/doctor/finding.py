"""The result of one check of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

APPLY: Final = (
    "Write it into the overlay, so that the next `kubectl apply -k` does not undo it: "
    "spawnpenny permissions --overlay OVERLAY --output kustomize, then kubectl apply -k OVERLAY"
)
"""Advice on a right or a rule that differs from what the settings need."""


class Level(StrEnum):
    """Severity of a finding.

    ``unknown``: your rights do not suffice to find out. ``warning``: it works, but should be looked at.
    """

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Attributes:
        level: How bad it is.
        says: What was found.
        do: What to do about it; empty if nothing has to be done.
        check: The name of the check; ``examine`` fills it in.

    """

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
    """Join names into a text; of a long list, name the first ones and count the rest."""
    shown = ", ".join(names[:_FEW])
    return f"{shown} and {len(names) - _FEW} more" if len(names) > _FEW else shown

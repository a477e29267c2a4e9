"""The result of a check of settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spawnpenny.admin.rehearsal.result import Problem


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check.

    Attributes:
        problems: Sentences on what keeps the service from starting.
        refused: Problems that keep users from starting something, as the rehearsal found them.
        unusual: Notes for the administrator on settings that are allowed, and are rarely meant.
        used: The settings that a service would use, without secrets.

    """

    problems: list[str] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    unusual: list[str] = field(default_factory=list)
    used: dict[str, Any] = field(default_factory=dict)

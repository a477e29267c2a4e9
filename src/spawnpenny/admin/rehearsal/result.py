"""The result of a rehearsal: the spawns that were tried, and the problems that keep them from starting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from spawnpenny.domain.resources import Resources
from spawnpenny.kubernetes.interface import Manifest


class Severity(StrEnum):
    """A ``refusal`` keeps a spawn from starting; a ``warning`` may, but the settings alone do not show it."""

    REFUSAL = "refusal"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to fix.

    Attributes:
        setting: Where to fix it: the path of a setting (``pods.allow``), or the part of the cluster.
        code: The kind of problem, for programs; the error's code if a spawn would be refused with an error.
        message: One sentence on what is wrong.
        advice: One sentence on what would be right; may be empty.
        paste: YAML to put into the settings, or a command; may be empty.
        severity: Whether it keeps spawns from starting.
        spawns: The labels of the spawns that it concerns; empty for all.
        odd_names: It concerns only sample users with long or unusual names.

    """

    setting: str
    code: str
    message: str
    advice: str = ""
    paste: str = ""
    severity: Severity = Severity.REFUSAL
    spawns: tuple[str, ...] = ()
    odd_names: bool = False


@dataclass(frozen=True, slots=True)
class RehearsedSpawn:
    """One spawn that was tried.

    Attributes:
        label: Its name in ``Problem.spawns``: ``lab profile=gpu``.
        kind: The name of its kind.
        user: The user's name.
        name: The name of the spawn.
        options: The options of the request.
        odd: Whether the user and the server have sample names that are long or unusual.
        starts: Whether nothing was found that would keep it from starting.
        resources: The resources that count against the user's quota.
        title: What it is in a sentence, such as ``the default server`` or ``a cluster``.
        scales: Whether it has workers; one is rehearsed.
        manifests: The objects that would be made, in order, with Secrets masked.

    """

    label: str
    kind: str
    user: str
    name: str
    options: Mapping[str, Any]
    odd: bool
    starts: bool
    resources: Resources
    title: str
    scales: bool = False
    manifests: tuple[Manifest, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Unrehearsed:
    """A step that was not rehearsed, and the reason."""

    step: str
    why: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everything that a rehearsal found; ``problems`` are in the order in which to fix them."""

    spawns: tuple[RehearsedSpawn, ...] = ()
    problems: tuple[Problem, ...] = ()
    unrehearsed: tuple[Unrehearsed, ...] = ()

    @property
    def refusals(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.REFUSAL)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)

    @property
    def first(self) -> RehearsedSpawn | None:
        """The spawn whose manifests are shown: the requested one, or the one with the defaults."""
        return next(iter(self.spawns), None)

    @property
    def shown(self) -> tuple[Manifest, ...]:
        """The manifests of that spawn."""
        return self.first.manifests if self.first is not None else ()

    @property
    def starts(self) -> bool:
        """Return whether everything that was tried would start."""
        return not self.refusals

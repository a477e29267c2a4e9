"""The result of a rehearsal: the spawns that were tried, and what keeps some of them from starting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from spawnpenny.domain.resources import Resources
from spawnpenny.domain.spawns import Kind
from spawnpenny.kubernetes.interface import Manifest


class Severity(StrEnum):
    """A ``refusal`` keeps a spawn from starting; a ``warning`` may, and cannot be judged from the settings alone."""

    REFUSAL = "refusal"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend.

    Attributes:
        setting: Where to mend it: the path of a setting (``pods.allow``), or the part of the cluster.
        code: What kind of problem it is, for programs; that of the error where a spawn would be refused with one.
        message: What is wrong, one sentence.
        advice: What would be right, one sentence; may be empty.
        paste: YAML to put into the settings, or a command; may be empty.
        severity: Whether it keeps spawns from starting.
        spawns: The labels of the spawns that it concerns; empty for all.
        odd_names: It concerns only sample users whose names are long or hold unusual characters.

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
        label: What it is called in ``Problem.spawns``: ``lab profile=gpu``.
        kind: ``lab`` or ``dask``.
        user: For whom.
        name: The lab's or the cluster's name.
        options: What was chosen.
        odd: Whether the names are samples of long and unusual ones.
        starts: Whether nothing was found that would keep it from starting.
        resources: What it counts against the user's quota.
        manifests: What would be made, in order, with Secrets masked.

    """

    label: str
    kind: Kind
    user: str
    name: str
    options: Mapping[str, Any]
    odd: bool
    starts: bool
    resources: Resources
    manifests: tuple[Manifest, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Unrehearsed:
    """A step that makes something which only its ``apply`` knows, and why that was not tried."""

    step: str
    why: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """All that a rehearsal found; ``problems`` stand in the order of where to mend them."""

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
        """The spawn whose manifests are shown: the one that was chosen, or the defaults."""
        return next(iter(self.spawns), None)

    @property
    def shown(self) -> tuple[Manifest, ...]:
        """The manifests of that spawn."""
        return self.first.manifests if self.first is not None else ()

    @property
    def starts(self) -> bool:
        """Return whether everything that was tried would start."""
        return not self.refusals

"""The problems of a rehearsal, collected spawn by spawn without repetition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import yaml

from spawnpenny.admin.rehearsal.result import Problem, Severity
from spawnpenny.domain.quantities import parse_quantity

if TYPE_CHECKING:
    from spawnpenny.admin.rehearsal.candidates import Candidate
    from spawnpenny.errors import QuotaExceededError

_ORDER: Final = (
    "tokens",
    "options",
    "web",
    "users",
    "namespaces",
    "deadlines",
    "limits",
    "replicas",
    "embedded",
    "pods.allow",
    "broker.pod_security",
    "pods.images",
    "pods",
    "broker",
    "plugins",
    "policy",
    "cluster",
)
"""The sections of settings in the order in which to fix problems: an earlier fix may solve later problems."""
_Key = tuple[str, str, str]


@dataclass
class Findings:
    """The problems found so far, with the spawns that have them."""

    _problems: dict[_Key, Problem] = field(default_factory=dict)
    _subjects: set[_Key] = field(default_factory=set)
    _most: dict[str, QuotaExceededError] = field(default_factory=dict)
    """The largest request that did not fit, by the setting that has the limit."""

    def add(self, problem: Problem, candidate: Candidate | None = None, *, subject: str = "") -> None:
        """Add a problem of a spawn, or of all spawns if ``candidate`` is None.

        ``subject`` identifies the problem without the names of the spawn: for users with unusual names, a problem
        with a known subject is not reported again.
        """
        key = (problem.setting, problem.code, problem.message)
        about = (problem.setting, problem.code, subject or problem.message)
        if candidate is None:
            self._problems[key] = problem
        elif not candidate.odd:
            self._subjects.add(about)
            known = self._problems.get(key, problem)
            self._problems[key] = replace(known, spawns=_with(known.spawns, candidate.label))
        elif about not in self._subjects:
            self._subjects.add(about)
            message = f"{problem.message} This concerns users with names such as {candidate.owner}."
            self._problems[key] = replace(problem, message=message, spawns=(candidate.label,), odd_names=True)

    def add_quota(self, setting: str, error: QuotaExceededError, candidate: Candidate) -> None:
        """Add that a spawn is larger than a limit; only the largest spawn is reported."""
        most, facts = self._most.setdefault(setting, error), error.facts
        if parse_quantity(facts["asked"]) > parse_quantity(most.facts["asked"]):
            self._most[setting] = most = error
        key = (setting, error.code, "")
        spawns = _with(self._problems[key].spawns if key in self._problems else (), candidate.label)
        resource, requested, limit = (most.facts[fact] for fact in ("resource", "asked", "limit"))
        self._problems[key] = Problem(
            setting,
            error.code,
            f"A spawn needs {resource} {requested}, but the limit is {limit}: it can never start.",
            f"Raise the limit to at least {requested}, or offer a smaller choice.",
            _nested(setting, requested),
            spawns=spawns,
        )

    def paste(self, setting: str, text: str, *, code: str = "") -> None:
        """Set the text to paste that fixes all problems of a setting, or those of them that have a code."""
        for key, problem in self._problems.items():
            if problem.setting == setting and code in {"", problem.code}:
                self._problems[key] = replace(problem, paste=text)

    def sorted(self, plugins: Sequence[str]) -> tuple[Problem, ...]:
        """Return the problems in the order in which to fix them, refusals first."""

        def rank(problem: Problem) -> tuple[bool, int, int, str]:
            setting = problem.setting
            place = _first(setting, _ORDER)
            return (
                problem.severity is Severity.WARNING,
                place,
                _first(setting, [f"plugins.{plugin}" for plugin in plugins]),
                setting,
            )

        return tuple(sorted(self._problems.values(), key=rank))


def _with(labels: tuple[str, ...], label: str) -> tuple[str, ...]:
    return labels if label in labels else (*labels, label)


def _first(setting: str, prefixes: Sequence[str]) -> int:
    found = (number for number, prefix in enumerate(prefixes) if setting == prefix or setting.startswith(f"{prefix}."))
    return next(found, len(prefixes))


def _nested(setting: str, value: str) -> str:
    nested: object = int(value) if value.isdigit() else value
    for key in reversed(setting.split(".")):
        nested = {key: nested}
    return str(yaml.safe_dump(nested, sort_keys=False))

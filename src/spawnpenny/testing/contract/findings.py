"""Findings: the rules of the contract that a step breaks, as sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from spawnpenny.testing.contract.rules import KIND_RULES, RULES

_SENTENCES = {**RULES, **KIND_RULES}


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: the step or kind, the rule, what happened, and what would be right.

    ``subject`` is the part of the step that breaks it, such as a method or a permission. It may be empty.
    """

    owner: str
    rule: str
    happened: str
    subject: str = ""

    @property
    def name(self) -> str:
        """The name by which a test allows it: ``rule``, or ``rule:subject``."""
        return f"{self.rule}:{self.subject}" if self.subject else self.rule

    def __str__(self) -> str:
        return f"The {self.owner} breaks the rule {self.name!r}. {self.happened} {_SENTENCES[self.rule]}"


class Findings:
    """The findings of one run: of each name, the first one."""

    def __init__(self, owner: str, allowed: Collection[str] = ()) -> None:
        self._owner = owner
        self._allowed = frozenset(allowed)
        self._found: dict[str, Finding] = {}

    def add(self, rule: str, happened: str, subject: str = "") -> None:
        """Add a finding, unless the rule, or the rule for this subject, is allowed to be broken."""
        finding = Finding(self._owner, rule, happened, subject)
        if rule not in _SENTENCES:
            raise ValueError(f"there is no rule {rule!r}")
        if not self._allowed & {finding.rule, finding.name}:
            self._found.setdefault(finding.name, finding)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)


class ContractBrokenError(AssertionError):
    """A step or a kind breaks its contract. The message has a paragraph for each finding."""

    def __init__(self, findings: Findings) -> None:
        super().__init__("\n\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)

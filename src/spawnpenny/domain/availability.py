"""Choices that do not fit into a user's quota, now or ever, and why."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.domain.form_answers import Answers, combinations, defaults_first, joined
from spawnpenny.domain.forms import FormField
from spawnpenny.domain.quantities import parse_quantity

Path = tuple[str, ...]
"""A choice: the names of its field and of the choice. Those of the outer choice come first, if it has one.

That of a checked box is called ``true``.
"""
CHECKED: Final = "true"
_MOST: Final = 64
"""How many combinations are tried to find one that fits."""
_UNITS: Final = {"Ki": "KiB", "Mi": "MiB", "Gi": "GiB", "Ti": "TiB", "Pi": "PiB"}
_WORDS: Final = {"cpu": "cores"}


@dataclass(frozen=True, slots=True)
class Shortage:
    """A limit that a choice exceeds. ``ever`` says whether it fits once the user has stopped other things.

    ``counted``: the resource is spawns of the user, such as labs.
    """

    resource: str
    requested: str
    used: str
    limit: str
    counted: bool = False

    @property
    def ever(self) -> bool:
        return parse_quantity(self.requested) <= parse_quantity(self.limit)

    @property
    def reason(self) -> str:
        """One sentence for the user."""
        what = _WORDS.get(self.resource, f"of {self.resource}")
        requested, used, limit = map(amount, (self.requested, self.used, self.limit))
        if self.counted:
            return f"You have {used} of {limit} running {self.resource}." + (" Stop one first." if self.ever else "")
        if self.ever:
            return f"Needs {requested} {what}; {used} of your {limit} is in use. Stop something first."
        return f"Needs {requested} {what}; your limit is {limit}."

    def to_json(self) -> dict[str, Any]:
        return {
            "resource": self.resource,
            "asked": self.requested,
            "used": self.used,
            "limit": self.limit,
            "ever": self.ever,
            "reason": self.reason,
        }


Judge = Callable[[Answers], Shortage | None]
"""Return the shortage of a combination of answers, or None if it fits."""


def amount(quantity: str) -> str:
    """Return a quantity as people write it: ``64 GiB``."""
    for suffix, unit in _UNITS.items():
        if quantity.endswith(suffix):
            return f"{quantity.removesuffix(suffix)} {unit}"
    return format(parse_quantity(quantity).normalize(), "f") if quantity else quantity


def unavailable(form: Sequence[FormField], judge: Judge) -> dict[Path, Shortage]:
    """Return the choices that do not fit, each with its shortage.

    Each choice is tried with the answers of a combination that fits, if one was found, so that no choice is blamed for
    another one.
    """
    return dict(_unavailable(form, judge, {}, ()))


def _unavailable(
    form: Sequence[FormField], judge: Judge, others: Answers, path: Path
) -> Iterator[tuple[Path, Shortage]]:
    best = _fitting(form, judge, others)
    for field in form:
        rest = others | joined(_own(other, best) for other in form if other is not field)
        for choice in defaults_first(field):
            own = rest | {field.name: choice.value}
            shortage = _shortage(choice.fields, judge, own)
            here = (*path, field.name, choice.value)
            if shortage is not None:
                yield here, shortage
            elif choice.fields:
                yield from _unavailable(choice.fields, judge, own, here)
        if field.checkbox is not None and (shortage := judge(rest | {field.name: True})) is not None:
            yield (*path, field.name, CHECKED), shortage


def _fitting(form: Sequence[FormField], judge: Judge, others: Answers) -> Answers:
    """Return answers that fit, or the defaults where none was found."""
    tried = list(itertools.islice(combinations(form), _MOST))
    return next((answers for answers in tried if judge(others | answers) is None), tried[0] if tried else {})


def _shortage(inner: Sequence[FormField], judge: Judge, own: Answers) -> Shortage | None:
    """Return the shortage of a choice with all answers to its own fields; None if one of them fits."""
    first: Shortage | None = None
    for answers in itertools.islice(combinations(inner), _MOST):
        shortage = judge(own | answers)
        if shortage is None:
            return None
        first = first or shortage
    return first


def _own(field: FormField, answers: Mapping[str, Any]) -> Answers:
    """Return the answers to a field and to the fields of its choice."""
    chosen = field.choice(answers.get(field.name))
    further = [field, *(chosen.fields if chosen else ())]
    names = {name for inner in further for name in (inner.name, inner.text_name)}
    return {key: value for key, value in answers.items() if key in names}

"""Enumerate the answers that users could give to a form."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from spawnpenny.domain.forms import FormChoice, FormField
from spawnpenny.domain.patterns import matches

Answers = dict[str, Any]
_TEXTS: Final = ("1", "main", "1.0", "a/b", "quay.io/jupyter/base-notebook:latest", "https://example.org")
"""Texts that users might write."""


def sample_text(field: FormField) -> str | None:
    """Return a text that a field takes, or None where it takes none or no sample fits its pattern."""
    free = field.free_text
    if free is None:
        return None
    return next((text for text in _TEXTS if free.pattern is None or matches(free.pattern, text)), None)


def combinations(form: Sequence[FormField]) -> Iterator[Answers]:
    """Yield every combination of answers to a form, the defaults first."""
    for answers in itertools.product(*([*deep_answers(field)] for field in form)):
        yield joined(answers)


def single_changes(form: Sequence[FormField]) -> Iterator[Answers]:
    """Yield the defaults, then every combination that differs from them in one field."""
    defaults = {field.name: next(deep_answers(field), {}) for field in form}
    yield joined(defaults.values())
    for field in form:
        others = joined(answer for name, answer in defaults.items() if name != field.name)
        for answer in () if field.choices else answers_of(field):
            yield others | answer
        for choice in defaults_first(field):
            inner = {further.name: next(answers_of(further), {}) for further in choice.fields}
            own = {**others, field.name: choice.value}
            yield own | joined(inner.values())
            for further in choice.fields:
                for answer in answers_of(further):
                    yield own | joined({**inner, further.name: answer}.values())


def deep_answers(field: FormField) -> Iterator[Answers]:
    """Yield every answer of a field, with every answer of the fields that go with it."""
    for choice in defaults_first(field):
        for inner in itertools.product(*([*answers_of(further)] for further in choice.fields)):
            yield {field.name: choice.value, **joined(inner)}
    yield from _unlisted(field)


def answers_of(field: FormField) -> Iterator[Answers]:
    """Yield the answers of a field by itself, the default first."""
    for choice in defaults_first(field):
        yield {field.name: choice.value}
    yield from _unlisted(field)


def _unlisted(field: FormField) -> Iterator[Answers]:
    """Yield answers that are no choices: a text, the default and the bounds of a number, both states of a checkbox."""
    if (text := sample_text(field)) is not None:
        yield {field.text_name: text}
    if (number := field.number) is not None:
        for value in dict.fromkeys(map(number.typed, (number.default, number.minimum, number.maximum))):
            yield {field.name: value}
    if field.checkbox is not None:
        for checked in (field.checkbox.default, not field.checkbox.default):
            yield {field.name: checked}


def defaults_first(field: FormField) -> list[FormChoice]:
    return sorted(field.choices, key=lambda choice: choice is not field.default)


def joined(answers: Iterable[Answers]) -> Answers:
    """Return several answers as one."""
    return {key: value for answer in answers for key, value in answer.items()}

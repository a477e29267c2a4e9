"""The spawn form: a user's choices for a lab, as data.

HTML and JSON Schema are generated from it, and requests are checked against it.

A form is a sequence of fields. The name of a field is the key of the chosen value in ``options``. A text that the user
wrote has that key with ``--unlisted-choice`` after it, as in KubeSpawner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from spawnpenny.domain.patterns import check_pattern

UNLISTED: Final = "unlisted-choice"
"""The value of the choice "none of these" in a select."""
TEXT_SUFFIX: Final = f"--{UNLISTED}"
MAX_TEXT: Final = 256
"""How many characters a user may write; it bounds what a pattern is matched with."""
REFUSED_IN_TEXT: Final = r"[\x00-\x1f\x7f-\x9f\u2028\u2029{}]"
"""Characters that no text may hold: those that break lines, and braces, as settings are templates."""
MAX_VALUE: Final = 128
MAX_NUMBER: Final = 2**53 - 1
"""The largest number that all readers of JSON keep exactly."""


@dataclass(frozen=True, slots=True)
class FreeText:
    """A text that the user may write if none of the choices fits.

    Attributes:
        label: The title of the text field.
        listed_as: Its title among the choices.
        pattern: A regular expression, of Python's and of RE2's, that the whole text has to match; None for any text.
        message: One sentence for a text that does not match.

    """

    label: str
    listed_as: str = "Other..."
    pattern: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A number that the user gives.

    Attributes:
        default: The number that applies by default.
        minimum: The least number.
        maximum: The greatest number.
        step: The field takes whole multiples of this whole number. None: it takes fractions as well.
        unit: Its unit, such as ``minutes``.

    """

    default: float
    minimum: float
    maximum: float
    step: int | None = 1
    unit: str = ""

    def takes(self, value: float) -> bool:
        """Return whether a number is within the bounds, and a multiple of the step."""
        return self.minimum <= value <= self.maximum and (self.step is None or value % self.step == 0)

    def typed(self, value: float) -> float:
        """Return an accepted number as its type: an int if the field takes only whole numbers."""
        return float(value) if self.step is None else int(value)


@dataclass(frozen=True, slots=True)
class Checkbox:
    """A box that the user checks or not. ``default`` says whether it is checked at first."""

    default: bool = False


@dataclass(frozen=True, slots=True)
class FormChoice:
    """One of the choices of a field.

    Attributes:
        value: Its value in ``options``.
        label: Its title.
        description: Its meaning. A few HTML tags have an effect in it; everything else is shown as written.
        default: True for the choice that applies by default. If no choice has it, the first one applies.
        fields: Further fields, which apply only with this choice.

    """

    value: str
    label: str
    description: str = ""
    default: bool = False
    fields: tuple[FormField, ...] = ()


@dataclass(frozen=True, slots=True)
class FormField:
    """One thing to choose: one of the choices, or a text where ``free_text`` allows it; or a number, or a checkbox.

    ``name`` is its key in ``options``. It begins with a letter or digit, and has no ``--`` in it. The value of a number
    is an int or a float, that of a checkbox a bool.
    """

    name: str
    label: str
    choices: tuple[FormChoice, ...] = ()
    description: str = ""
    free_text: FreeText | None = None
    number: Number | None = None
    checkbox: Checkbox | None = None

    @property
    def default(self) -> FormChoice | None:
        """The choice that applies by default; None without choices, as a text is required then."""
        return next((choice for choice in self.choices if choice.default), next(iter(self.choices), None))

    @property
    def text_name(self) -> str:
        """The key in ``options`` of what was written."""
        return self.name + TEXT_SUFFIX

    def choice(self, value: object) -> FormChoice | None:
        """Return the choice with this value; None if the field has none."""
        return next((choice for choice in self.choices if choice.value == value), None)

    @property
    def shown(self) -> bool:
        """Return whether there is anything to choose."""
        return (
            len(self.choices) > 1
            or any(choice.fields for choice in self.choices)
            or any(kind is not None for kind in (self.free_text, self.number, self.checkbox))
        )


def check_form(form: Iterable[FormField]) -> None:
    """Check a form.

    Raises:
        ValueError: A field is wrong; the message names it and says why.

    """
    fields = tuple(form)
    owners: dict[str, str] = {}
    for field in fields:
        _check_field(field)
        further = {inner.name for choice in field.choices for inner in choice.fields}
        for name in (field.name, *sorted(further)):
            if name in owners:
                raise ValueError(f"two fields are called {name!r}")
            owners[name] = field.name
        for choice in field.choices:
            _check_further(choice, f"{field.name}.{choice.value}")


def _check_further(choice: FormChoice, place: str) -> None:
    for field in choice.fields:
        _check_field(field, f"{place}.")
        if any(deeper.fields for deeper in field.choices):
            raise ValueError(f"the choices of {place}.{field.name} have fields: only those of a form's own fields may")
    twice = _twice(field.name for field in choice.fields)
    if twice is not None:
        raise ValueError(f"two fields of {place} are called {twice!r}")
    if choice.fields and choice.value.endswith("-"):
        raise ValueError(
            f"the value of {place} ends with -, which the names of its fields would not tell from their own"
        )


def _check_field(field: FormField, place: str = "") -> None:
    name = field.name
    if not name[:1].isalnum() or "--" in name or not _plain(name) or name == UNLISTED:
        raise ValueError(
            f"a field cannot be called {place}{name!r}: "
            f"1 to {MAX_VALUE} characters, a letter or digit first, no -- and no control characters"
        )
    _check_sort(field, f"{place}{name}")
    twice = _twice(choice.value for choice in field.choices)
    if twice is not None:
        raise ValueError(f"two choices of {place}{name} have the value {twice!r}")
    for choice in field.choices:
        if not _plain(choice.value):
            raise ValueError(f"a choice of {place}{name} cannot have the value {choice.value!r}")
        if field.free_text is not None and choice.value == UNLISTED:
            raise ValueError(f"a choice of {place}{name} has the value {UNLISTED}, which stands for the text")
    if field.free_text is not None and field.free_text.pattern is not None:
        _check_pattern(field.free_text.pattern, f"{place}{name}")


def _check_sort(field: FormField, place: str) -> None:
    """Refuse a field with nothing to answer, with two sorts of answers, or with a wrong number."""
    sorts = [bool(field.choices) or field.free_text is not None, field.number is not None, field.checkbox is not None]
    if not any(sorts):
        raise ValueError(f"the field {place} has neither choices nor a text, a number or a checkbox")
    if sum(sorts) > 1:
        raise ValueError(f"the field {place} has more than one of: choices or a text, a number, a checkbox")
    if field.number is not None and (fault := _number_fault(field.number)):
        raise ValueError(f"the number of {place} {fault}")


def _number_fault(number: Number) -> str:
    bounds = (number.default, number.minimum, number.maximum)
    if any(isinstance(bound, bool) or not -MAX_NUMBER <= bound <= MAX_NUMBER for bound in bounds):
        return f"has a bound or default that is not from -{MAX_NUMBER} to {MAX_NUMBER}"
    if number.step is not None and number.step < 1:
        return f"has the step {number.step}: write a whole number from 1, or None for fractions"
    if not number.minimum <= number.default <= number.maximum:
        return (
            f"has the default {number.default:g}, which is not from its minimum {number.minimum:g} to its maximum "
            f"{number.maximum:g}"
        )
    odd = next((bound for bound in bounds if not number.takes(bound)), None)
    if odd is not None:
        return f"has {odd:g} as a bound or default, which is no multiple of its step {number.step}"
    return ""


def _check_pattern(pattern: str, place: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError as error:
        raise ValueError(f"the pattern of {place} {error}") from None


def _plain(text: str) -> bool:
    return 0 < len(text) <= MAX_VALUE and text.isprintable() and text == text.strip()


def _twice(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def every_field(form: Sequence[FormField]) -> Iterator[FormField]:
    """Yield the fields of a form, and those that apply only where something is chosen."""
    for field in form:
        yield field
        for choice in field.choices:
            yield from choice.fields

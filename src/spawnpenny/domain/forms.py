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
    """One thing to choose: one of the choices, or a text where ``free_text`` allows it.

    ``name`` is its key in ``options``. It begins with a letter or digit, and has no ``--`` in it.
    """

    name: str
    label: str
    choices: tuple[FormChoice, ...] = ()
    description: str = ""
    free_text: FreeText | None = None

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
        return len(self.choices) > 1 or self.free_text is not None or any(choice.fields for choice in self.choices)


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
    if not field.choices and field.free_text is None:
        raise ValueError(f"the field {place}{name} has neither choices nor a text")
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

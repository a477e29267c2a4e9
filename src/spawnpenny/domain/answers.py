"""Read and check the answers to a form in the options of a request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.domain.forms import MAX_TEXT, REFUSED_IN_TEXT, FormField, FreeText, every_field
from spawnpenny.domain.patterns import matches
from spawnpenny.domain.suggestions import MOST_NAMED, listed, nearest, shortened
from spawnpenny.errors import InvalidOptionError, InvalidRequestError, UnknownOptionError

_REFUSED: Final = re.compile(REFUSED_IN_TEXT)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one field: the value of a choice, or a text that the user wrote."""

    value: str
    written: bool = False


def answers(form: Sequence[FormField], options: Mapping[str, Any]) -> dict[str, Answer]:
    """Return the answer to each field of a form, by default its own default. Ignore options that are no fields.

    Raises:
        UnknownOptionError: A choice is not among those of its field.
        InvalidOptionError: A choice is no text, a text does not fit, or a field has both.

    """
    found, wrong = _look(form, options)
    _refuse(wrong)
    return {field.name: answer for field, answer in found}


def check_options(form: Sequence[FormField], options: Mapping[str, Any]) -> None:
    """Check the options of a request against the whole form.

    Raises:
        UnknownOptionError: There is no such option, or not with what else was chosen, or no such choice.
        InvalidOptionError: A choice is no text, a text does not fit, or a field has both.

    """
    found, wrong = _look(form, options)
    if not wrong:  # else an option may be unknown only because another one is wrong
        known = {key for field, _ in found for key in _keys(field)}
        elsewhere = {key for field in every_field(form) for key in _keys(field)}
        unknown = [key for key in options if key not in known]
        wrong = [_unknown(key, known, elsewhere) for key in unknown[:MOST_NAMED]]
        if len(unknown) > MOST_NAMED:
            more = f"{len(unknown) - MOST_NAMED} more options are not known."
            wrong.append(UnknownOptionError(more, field="options"))
    _refuse(wrong)


def _keys(field: FormField) -> Iterator[str]:
    if field.choices:
        yield field.name
    if field.free_text is not None:
        yield field.text_name


def _look(
    form: Sequence[FormField], options: Mapping[str, Any]
) -> tuple[list[tuple[FormField, Answer]], list[InvalidRequestError]]:
    found: list[tuple[FormField, Answer]] = []
    wrong: list[InvalidRequestError] = []
    rest = list(form)
    while rest:
        field = rest.pop(0)
        try:
            answer = answer_of(field, options)
        except InvalidRequestError as error:
            wrong.append(error)
            continue
        found.append((field, answer))
        choice = None if answer.written else field.choice(answer.value)
        rest.extend(choice.fields if choice else ())
    return found, wrong


def answer_of(field: FormField, options: Mapping[str, Any]) -> Answer:
    """Return the answer to one field.

    Raises:
        UnknownOptionError: The choice is not among the field's.
        InvalidOptionError: The choice is no text, the text does not fit, or there are both, or none and no default.

    """
    if field.free_text is not None and field.text_name in options:
        if field.choices and field.name in options:
            raise InvalidOptionError(
                f"Send {field.name} or {field.text_name}, not both.", field=f"options.{field.name}"
            )
        return Answer(_text(field, field.free_text, options[field.text_name]), written=True)
    default = field.default
    if default is None:
        raise InvalidOptionError(f"{field.label} has to be given.", field=f"options.{field.text_name}")
    if field.name not in options:
        return Answer(default.value)
    value = options[field.name]
    if not isinstance(value, str):
        raise InvalidOptionError(f"The {field.name} is chosen by its name, a string.", field=f"options.{field.name}")
    if field.choice(value) is None:
        raise _no_such_choice(field, value)
    return Answer(value)


def _text(field: FormField, free: FreeText, given: Any) -> str:
    place = f"options.{field.text_name}"
    if not isinstance(given, str):
        raise InvalidOptionError(f"{free.label} is a text.", field=place)
    text = given.strip()  # pasted text often has invisible white space around it
    if not text or len(text) > MAX_TEXT or _REFUSED.search(text):
        raise InvalidOptionError(
            f"{free.label} has to be 1 to {MAX_TEXT} characters, none of them {{ }} or a control character.",
            field=place,
        )
    if free.pattern is not None and not matches(free.pattern, text):
        reason = (free.message or f"it has to match {free.pattern}").rstrip(".")
        raise InvalidOptionError(f"{free.label} {shortened(text)!r} does not fit: {reason}.", field=place)
    return text


def _no_such_choice(field: FormField, value: str) -> UnknownOptionError:
    values = [choice.value for choice in field.choices]
    by_label = {choice.label: choice.value for choice in field.choices}
    near = nearest(value, [*values, *by_label])
    hint = f" Did you mean {by_label.get(near, near)!r}?" if near is not None else ""
    other = f" Anything else goes into {field.text_name}." if field.free_text is not None else ""
    return UnknownOptionError(
        f"There is no {field.name} {shortened(value)!r}; there are {listed(values)}.{hint}{other}",
        field=f"options.{field.name}",
    )


def _unknown(key: str, known: set[str], elsewhere: set[str]) -> InvalidRequestError:
    sent = shortened(key)
    if key in elsewhere:
        message = f"The option {sent!r} does not go with what else was chosen; there are {listed(sorted(known))}."
    else:
        near = nearest(key, known)
        hint = f" Did you mean {near!r}?" if near is not None else ""
        message = f"There is no option {sent!r}; there are {listed(sorted(known))}.{hint}"
    return UnknownOptionError(message, field=f"options.{sent}")


def _refuse(wrong: Sequence[InvalidRequestError]) -> None:
    """Raise one error for all, of the class of the first one; its ``errors`` lists every fault."""
    if wrong:
        faults = [fault for error in wrong for fault in error.facts["errors"]]
        raise type(wrong[0])(" ".join(fault["message"] for fault in faults), errors=faults)

"""Read and check the answers to a form in the options of a request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.domain.forms import MAX_TEXT, REFUSED_IN_TEXT, FormField, FreeText, Number, every_field
from spawnpenny.domain.patterns import matches
from spawnpenny.domain.suggestions import MOST_NAMED, listed, nearest, shortened
from spawnpenny.errors import InvalidOptionError, InvalidRequestError, UnknownOptionError

_REFUSED: Final = re.compile(REFUSED_IN_TEXT)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,17}(\.[0-9]{1,17})?", re.ASCII)
_CHECKED: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one field.

    Attributes:
        value: The value of a choice, or the text that the user wrote: a str. That of a number is an int or a float,
            that of a checkbox a bool.
        written: Whether it is a text that the user wrote.

    """

    value: Any
    written: bool = False


def answers(form: Sequence[FormField], options: Mapping[str, Any]) -> dict[str, Answer]:
    """Return the answer to each field of a form, by default its own default. Ignore options that are no fields.

    Raises:
        UnknownOptionError: A choice is not among those of its field.
        InvalidOptionError: A choice is no text, a text or number does not fit, or a field has both.

    """
    found, wrong = _look(form, options)
    _refuse(wrong)
    return {field.name: answer for field, answer in found}


def check_options(form: Sequence[FormField], options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options of a request against the whole form, and return them typed.

    Numbers and checkboxes may come as texts, as pages and command lines send them. They are returned as numbers and
    booleans.

    Raises:
        UnknownOptionError: There is no such option, or not with what else was chosen, or no such choice.
        InvalidOptionError: A choice is no text, a text or number does not fit, or a field has both.

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
    typed = {field.name: answer.value for field, answer in found if field.number or field.checkbox}
    return {key: typed.get(key, value) for key, value in options.items()}


def _keys(field: FormField) -> Iterator[str]:
    if field.choices or field.number or field.checkbox:
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
        choice = None if answer.written or not field.choices else field.choice(answer.value)
        rest.extend(choice.fields if choice else ())
    return found, wrong


def answer_of(field: FormField, options: Mapping[str, Any]) -> Answer:
    """Return the answer to one field.

    Raises:
        UnknownOptionError: The choice is not among the field's.
        InvalidOptionError: The choice is no text, the text or number does not fit, or there are both, or none and no
            default.

    """
    if field.number is not None:
        return Answer(_number(field, field.number, options.get(field.name, field.number.default)))
    if field.checkbox is not None:
        return Answer(_checked(field, options.get(field.name, field.checkbox.default)))
    return _chosen(field, options)


def _chosen(field: FormField, options: Mapping[str, Any]) -> Answer:
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


def _number(field: FormField, number: Number, given: Any) -> float:
    value = float(given) if isinstance(given, str) and _NUMBER.fullmatch(given.strip()) else given
    if isinstance(value, int | float) and not isinstance(value, bool) and number.takes(value):
        return number.typed(value)
    steps = {None: "a number", 1: "a whole number"}.get(number.step, f"a multiple of {number.step}")
    bounds = f"from {number.minimum:.15g} to {number.maximum:.15g} {number.unit}".rstrip()
    raise InvalidOptionError(f"{field.label} has to be {steps} {bounds}.", field=f"options.{field.name}")


def _checked(field: FormField, given: Any) -> bool:
    value = _CHECKED.get(given.strip().lower()) if isinstance(given, str) else given
    if not isinstance(value, bool):
        raise InvalidOptionError(f"{field.label} has to be true or false.", field=f"options.{field.name}")
    return value


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

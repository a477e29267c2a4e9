"""Fields of request schemas: numbers, options, environment, ids of starts."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.domain.spawns import MAX_ENV_BYTES
from spawnpenny.web.schemas.incoming import field_messages, json_bytes

MAX_OPTIONS_BYTES: Final = 8 * 1024
MAX_WAIT: Final = 120.0
"""The longest ``wait`` of a request, in seconds."""
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class SecondsField(fields.Field[float]):
    """A number of seconds within bounds, as a JSON number."""

    accepted: ClassVar[tuple[type, ...]] = (int, float)

    def __init__(self, least: float, most: float, **kwargs: Any) -> None:
        described = {"type": "number", "minimum": least, "maximum": most, **kwargs.pop("metadata", {})}
        messages = field_messages(f"a number of seconds from {least:g} to {most:g}")
        super().__init__(metadata=described, error_messages=messages, **kwargs)
        self._least, self._most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if type(value) not in self.accepted:  # True is an int, but not a number of seconds
            raise self.make_error("invalid")
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None
        if not math.isfinite(number) or not self._least <= number <= self._most:
            raise self.make_error("invalid")
        return number


class QuerySecondsField(SecondsField):
    """A number of seconds within bounds, as text in a query."""

    accepted = (str,)


class OptionsField(fields.Field[dict[str, Any]]):
    """The user's choices: a JSON object of bounded size. The plugins check what is in it."""

    default_error_messages = field_messages("an object of options and choices")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        if json_bytes(value) > MAX_OPTIONS_BYTES:
            raise ValidationError(f"is larger than {MAX_OPTIONS_BYTES} bytes of JSON.")
        return value


class EnvField(fields.Field[dict[str, str]]):
    """The environment of a lab. It is secret: no message quotes a value or an invalid name."""

    default_error_messages = field_messages("an object of names and texts")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        for position, (name, text) in enumerate(value.items(), start=1):
            if not _ENV_NAME.fullmatch(name):
                raise ValidationError(
                    f"has an invalid name at position {position}: use letters, digits and _, and no digit first."
                )
            if not isinstance(text, str) or "\0" in text:
                raise ValidationError(f"needs a text without NUL characters as the value of {name}.")
        if json_bytes(value) > MAX_ENV_BYTES:
            raise ValidationError(f"is larger than {MAX_ENV_BYTES} bytes of JSON.")
        return value


def start_field(*, required: bool) -> fields.String:
    """Return the field for the id of a start."""
    messages = field_messages("1 to 64 letters, digits, _, . and -", missing="a random id for this start")
    return fields.String(
        required=required,
        validate=validate.Regexp(r"\A[A-Za-z0-9_.-]{1,64}\Z", error=messages["invalid"]),
        error_messages=messages,
        metadata={
            "pattern": "^[A-Za-z0-9_.-]{1,64}$",
            "description": "A random id of this start, chosen by the caller.",
        },
    )


def purge_field(effect: str) -> fields.String:
    """Return the query parameter that requests to delete storage; ``effect`` says which storage."""
    return fields.String(
        validate=validate.OneOf(["storage"], error="can only be storage."),
        metadata={"description": f"`storage`: {effect}. Needs the scope `purge`."},
    )


def integer_field(least: int, most: int, expected: str, **kwargs: Any) -> fields.Integer:
    """Return a field for an integer within bounds; ``expected`` is the noun for error messages."""
    messages = field_messages(f"{expected} from {least} to {most}")
    bounds = validate.Range(least, most, error=messages["invalid"])
    return fields.Integer(validate=bounds, error_messages=messages, **kwargs)

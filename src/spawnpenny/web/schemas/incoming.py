"""Base classes and error messages of the schemas that validate requests.

Each message continues the name of its field, and makes a sentence with it: ``limit`` and ``has to be a number …``.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, TypeVar

from marshmallow import ValidationError

from spawnpenny.domain.suggestions import shortened
from spawnpenny.settings.schema import StrictSchema, unknown_key

T = TypeVar("T")


def json_bytes(data: Any) -> int:
    """Return the size of JSON data in bytes, written without needless escapes.

    Raises:
        ValidationError: The data has half a surrogate pair, which UTF-8 cannot express.

    """
    try:
        return len(json.dumps(data, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise ValidationError("has half a surrogate pair, which is not text.") from None


def field_messages(expected: str, *, missing: str = "") -> dict[str, Any]:
    """Return the error messages of a field, from a phrase that says what is expected.

    Args:
        expected: What the field has to be, such as "true or false".
        missing: What to send if the field is missing, if that needs other words.

    """
    wrong = f"has to be {expected}."
    kinds = ("null", "invalid", "invalid_utf8", "too_large", "type", "validator_failed")
    return {**dict.fromkeys(kinds, wrong), "required": f"is missing: send {missing or expected}."}


class IncomingSchema(StrictSchema[T]):
    """A schema whose error messages are sentences that begin with the field."""

    def word_unknown(self, key: str, known: list[str]) -> str:
        return unknown_key(key, known).removeprefix(f"{shortened(key)!r} ")


class BodySchema(IncomingSchema[T]):
    """The body of a request, with an example for the OpenAPI document."""

    example: ClassVar[dict[str, Any]]


class QuerySchema(IncomingSchema[T]):
    """The query parameters of a route. ``model`` is the dataclass that they become."""

    def word_unknown(self, key: str, known: list[str]) -> str:
        """Return what is wrong with a parameter that is not known."""
        return super().word_unknown(key, known) if known else "is not known: this route takes no query parameters."

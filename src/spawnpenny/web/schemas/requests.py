"""Schemas of the API's requests: they validate, and describe themselves in the OpenAPI document.

Each message here goes on from the name of its field, and makes a sentence with it: ``limit``, ``has to be a number …``.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, TypeVar

from marshmallow import ValidationError, fields, validate, validates_schema

from spawnpenny.domain.names import MAX_USERNAME, NAME_PATTERN
from spawnpenny.domain.spawns import MAX_CLIENT, MAX_ENV_BYTES, SpawnRequest, Tls
from spawnpenny.domain.suggestions import shortened
from spawnpenny.domain.users import GROUP_NAME, GROUP_PATTERN, MAX_GROUP_NAME, MAX_GROUPS, MAX_ID, Group, is_group_name
from spawnpenny.settings.fields import ShortTupleField
from spawnpenny.settings.schema import StrictSchema, unknown_key
from spawnpenny.web.schemas.pem import CERTIFICATE, PRIVATE_KEY, PemField

T = TypeVar("T")

MAX_OPTIONS_BYTES: Final = 8 * 1024
MAX_WAIT: Final = 120.0
MAX_PAGE: Final = 500
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CLIENT: Final = f"a name of 1 to {MAX_CLIENT} printable characters"
NO_PAGE: Final = "has to be the `next` of the page before."


def json_bytes(data: Any) -> int:
    """Return how many bytes JSON data takes, written without needless escapes.

    Raises:
        ValidationError: It holds half a surrogate pair, which no UTF-8 can say.

    """
    try:
        return len(json.dumps(data, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise ValidationError("holds half a surrogate pair, which is not text.") from None


def wordings(wanted: str, *, missing: str = "") -> dict[str, Any]:
    """Return the messages of a field that has to be what ``wanted`` says, for all that may be wrong with it."""
    wrong = f"has to be {wanted}."
    kinds = ("null", "invalid", "invalid_utf8", "too_large", "type", "validator_failed")
    return {**dict.fromkeys(kinds, wrong), "required": f"is missing: send {missing or wanted}."}


class IncomingSchema(StrictSchema[T]):
    """A schema whose refusals are sentences that begin with the field."""

    def word_unknown(self, key: str, known: list[str]) -> str:
        return unknown_key(key, known).removeprefix(f"{shortened(key)!r} ")


class BodySchema(IncomingSchema[T]):
    """The body of a request, with an example of it."""

    example: ClassVar[dict[str, Any]]


class QuerySchema(IncomingSchema[T]):
    """The query parameters of a route."""

    def word_unknown(self, key: str, known: list[str]) -> str:
        return super().word_unknown(key, known) if known else "is not known: this route takes no query parameters."


class SecondsField(fields.Field[float]):
    """A number of seconds within bounds; a JSON number in a body, its text in a query."""

    takes: ClassVar[tuple[type, ...]] = (int, float)

    def __init__(self, least: float, most: float, **kwargs: Any) -> None:
        told = {"type": "number", "minimum": least, "maximum": most}
        wording = wordings(f"a number of seconds from {least:g} to {most:g}")
        super().__init__(metadata=told | kwargs.pop("metadata", {}), error_messages=wording, **kwargs)
        self._least, self._most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if type(value) not in self.takes:  # True is an int, and no number of seconds
            raise self.make_error("invalid")
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None
        if not math.isfinite(number) or not self._least <= number <= self._most:
            raise self.make_error("invalid")
        return number


class QuerySecondsField(SecondsField):
    """The same, as a query has it."""

    takes = (str,)


class OptionsField(fields.Field[dict[str, Any]]):
    """The caller's choices: a JSON object of bounded size. What they mean is for the plugins to say."""

    default_error_messages = wordings("an object of options and what is chosen")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        if json_bytes(value) > MAX_OPTIONS_BYTES:
            raise ValidationError(f"is larger than {MAX_OPTIONS_BYTES} bytes of JSON.")
        return value


class EnvField(fields.Field[dict[str, str]]):
    """The lab's environment. It is secret: no message quotes a value, nor what is not a name."""

    default_error_messages = wordings("an object of names and texts")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        for position, (name, text) in enumerate(value.items(), start=1):
            if not _ENV_NAME.fullmatch(name):
                raise ValidationError(
                    f"has a name, its number {position}, that is no variable's: letters, digits and _, no digit first."
                )
            if not isinstance(text, str) or "\0" in text:
                raise ValidationError(f"has to have a text without NUL characters as the value of {name}.")
        if json_bytes(value) > MAX_ENV_BYTES:
            raise ValidationError(f"is larger than {MAX_ENV_BYTES} bytes of JSON.")
        return value


def _pem(labels: tuple[str, ...], wanted: str, *, many: bool = False) -> PemField:
    return PemField(labels, most=MAX_ENV_BYTES, many=many, required=True, error_messages=wordings(wanted))


class TlsSchema(IncomingSchema[Tls]):
    """The key and certificate of a lab, and the certificates of those whom it lets in."""

    model: ClassVar[type] = Tls
    error_messages = wordings("an object with key, cert and ca")
    key = _pem(PRIVATE_KEY, "one unencrypted private key in PEM")
    cert = _pem(CERTIFICATE, "the certificate of that key in PEM, and what it is signed by", many=True)
    ca = _pem(CERTIFICATE, "the certificates of whom the lab believes, in PEM", many=True)


def start_field(*, required: bool) -> fields.String:
    wording = wordings("1 to 64 letters, digits, _, . and -", missing="a random id for this start")
    return fields.String(
        required=required,
        validate=validate.Regexp(r"\A[A-Za-z0-9_.-]{1,64}\Z", error=wording["invalid"]),
        error_messages=wording,
        metadata={
            "pattern": "^[A-Za-z0-9_.-]{1,64}$",
            "description": "The caller's own random id of this start.",
        },
    )


def _purge(what: str) -> fields.String:
    return fields.String(
        validate=validate.OneOf(["storage"], error="can only be storage."),
        metadata={"description": f"`storage`: {what}. Needs the scope `purge`."},
    )


def integer(least: int, most: int, what: str, **kwargs: Any) -> fields.Integer:
    wording = wordings(f"{what} from {least} to {most}")
    bounds = validate.Range(least, most, error=wording["invalid"])
    return fields.Integer(validate=bounds, error_messages=wording, **kwargs)


def _printable(text: str) -> None:
    if not text.isprintable():
        raise ValidationError(f"has to be {_CLIENT}.")


class LabBody(BodySchema[SpawnRequest]):
    """The body of a request to start a lab."""

    model: ClassVar[type] = SpawnRequest
    example: ClassVar[dict[str, Any]] = {
        "start": "9f1c2ab7",
        "options": {"size": "small", "image": "default"},
        "env": {"JUPYTER_TOKEN": "a secret of your own"},
        "timeout_s": 300,
    }
    start = start_field(required=True)
    options = OptionsField(metadata={"type": "object", "description": "What the user chose: size, image, and so on."})
    env = EnvField(
        metadata={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "writeOnly": True,
            "description": "The environment of the lab. No answer ever carries it.",
        }
    )
    tls = fields.Nested(
        TlsSchema,
        error_messages=wordings("an object with key, cert and ca"),
        metadata={
            "writeOnly": True,
            "description": "What the lab serves TLS with, in PEM. No answer ever carries it.",
        },
    )
    timeout = SecondsField(
        10,
        86_400,
        data_key="timeout_s",
        metadata={"description": "How long the caller waits; ours ends 5 seconds earlier, to tell why."},
    )
    client = fields.String(
        validate=[validate.Length(1, MAX_CLIENT), _printable],
        error_messages=wordings(_CLIENT),
        metadata={
            "description": "What the caller's program calls itself, where several use one token: a Hub sends its URL. "
            "Only the same one replaces this start."
        },
    )

    @validates_schema
    def _check_secrets(self, data: dict[str, Any], **kwargs: Any) -> None:
        tls: Tls | None = data.get("tls")
        if tls is not None and json_bytes(data.get("env", {})) + json_bytes(asdict(tls)) > MAX_ENV_BYTES:
            raise ValidationError(f"is, together with env, larger than {MAX_ENV_BYTES} bytes of JSON.", "tls")


@dataclass(frozen=True, slots=True)
class StartQuery:
    replace: bool = False


class StartQuerySchema(QuerySchema[StartQuery]):
    model: ClassVar[type] = StartQuery
    replace = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        error_messages=wordings("true or false"),
        metadata={
            "description": "Stop another start of this lab first, if the same caller made it, rather than refuse."
        },
    )


@dataclass(frozen=True, slots=True)
class StopQuery:
    wait: float = 0
    start: str | None = None
    purge: str | None = None


class StopQuerySchema(QuerySchema[StopQuery]):
    model: ClassVar[type] = StopQuery
    wait = QuerySecondsField(0, MAX_WAIT, metadata={"description": "Answer when the lab is gone, or after so long."})
    start = start_field(required=False)
    purge = _purge("the volume claim that is this lab's alone goes as well")


@dataclass(frozen=True, slots=True)
class RetireQuery:
    wait: float = 0
    purge: str | None = None


class RetireQuerySchema(QuerySchema[RetireQuery]):
    model: ClassVar[type] = RetireQuery
    wait = QuerySecondsField(0, MAX_WAIT, metadata={"description": "Answer when it is done, or after so long."})
    purge = _purge("the user's volume claims go as well")


@dataclass(frozen=True, slots=True)
class EventsQuery:
    last_event_id: str | None = None
    follow: bool = False


class EventsQuerySchema(QuerySchema[EventsQuery]):
    model: ClassVar[type] = EventsQuery
    last_event_id = fields.String(
        validate=validate.Length(max=64, error="has to be the id of an event."),
        metadata={"description": "As the header Last-Event-ID, which counts where both are there."},
    )
    follow = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        error_messages=wordings("true or false"),
        metadata={"description": "With true, the stream goes on while it runs, and ends when it has ended or is gone."},
    )


@dataclass(frozen=True, slots=True)
class PageQuery:
    limit: int = 100
    after: str = ""


class PagedQuerySchema(QuerySchema[T]):
    """The query parameters of a list that comes in pages."""

    limit = integer(1, MAX_PAGE, "a number", metadata={"description": "How many; 100 where it is left out."})
    after = fields.String(
        validate=validate.Length(max=400, error=NO_PAGE), metadata={"description": "The `next` of the page before."}
    )


class PageQuerySchema(PagedQuerySchema[PageQuery]):
    model: ClassVar[type] = PageQuery


@dataclass(frozen=True, slots=True)
class NoQuery:
    """No query parameters."""


class NoQuerySchema(QuerySchema[NoQuery]):
    model: ClassVar[type] = NoQuery


def _check_group_name(name: str) -> None:
    if not is_group_name(name):
        raise ValidationError(f"has to be {GROUP_NAME}.")


def _id(**kwargs: Any) -> fields.Integer:
    return integer(0, MAX_ID, "a whole number", strict=True, **kwargs)


class GroupSchema(IncomingSchema[Group]):
    model: ClassVar[type] = Group
    error_messages = wordings("an object with name and id")
    name = fields.String(
        required=True,
        validate=_check_group_name,
        error_messages=wordings("the group's name, a text"),
        metadata={
            "minLength": 1,
            "maxLength": MAX_GROUP_NAME,
            "pattern": GROUP_PATTERN,
        },
    )
    id = _id(required=True)


_GROUPS: Final = wordings(f"a list of at most {MAX_GROUPS} objects with name and id")


@dataclass(frozen=True, slots=True)
class Dossier:
    uid: int
    gid: int | None = None
    groups: tuple[Group, ...] = ()
    username: str | None = None


class DossierBody(BodySchema[Dossier]):
    """The description of a user."""

    model: ClassVar[type] = Dossier
    example: ClassVar[dict[str, Any]] = {"uid": 1234, "gid": 1234, "groups": [{"name": "staff", "id": 50}]}
    username = fields.String(
        error_messages=wordings("the user of the path, or left out"),
        metadata={"description": "That of the path, or left out.", "pattern": NAME_PATTERN, "maxLength": MAX_USERNAME},
    )
    uid = _id(required=True)
    gid = _id(metadata={"description": "Without it, the setting `users.gid`."})
    groups = ShortTupleField(
        fields.Nested(GroupSchema), most=MAX_GROUPS, error_messages=_GROUPS, metadata={"maxItems": MAX_GROUPS}
    )

"""What the API takes: marshmallow schemas that check it, and describe it in the OpenAPI document."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.domain.spawns import MAX_ENV_BYTES, SpawnRequest
from spawnpenny.domain.users import Group
from spawnpenny.schemas import StrictSchema

MAX_OPTIONS_BYTES: Final = 8 * 1024
MAX_WAIT: Final = 120.0
MAX_PAGE: Final = 500
MAX_GROUPS: Final = 1000
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MAX_GROUP_NAME: Final = 255
_MAX_ID: Final = 2**31 - 1
_LINE_BREAKING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def json_bytes(data: Any) -> int:
    """Return how many bytes JSON data takes, written without needless escapes.

    Raises:
        ValidationError: It holds half a surrogate pair, which no UTF-8 can say.

    """
    try:
        return len(json.dumps(data, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise ValidationError("Half a surrogate pair is not text.") from None


class SecondsField(fields.Field[float]):
    """A number of seconds within bounds; a JSON number in a body, its text in a query."""

    takes: ClassVar[tuple[type, ...]] = (int, float)

    def __init__(self, least: float, most: float, **kwargs: Any) -> None:
        told = {"type": "number", "minimum": least, "maximum": most}
        super().__init__(metadata=told | kwargs.pop("metadata", {}), **kwargs)
        self._least, self._most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        told = f"This has to be a number of seconds from {self._least:g} to {self._most:g}."
        if type(value) not in self.takes:  # True is an int, and no number of seconds
            raise ValidationError(told)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise ValidationError(told) from None
        if not math.isfinite(number) or not self._least <= number <= self._most:
            raise ValidationError(told)
        return number


class QuerySecondsField(SecondsField):
    """The same, as a query has it."""

    takes = (str,)


class OptionsField(fields.Field[dict[str, Any]]):
    """The caller's choices: a JSON object of bounded size. What they mean is for the plugins to say."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("This has to be an object.")
        if json_bytes(value) > MAX_OPTIONS_BYTES:
            raise ValidationError(f"This is larger than {MAX_OPTIONS_BYTES} bytes of JSON.")
        return value


class EnvField(fields.Field[dict[str, str]]):
    """The lab's environment. It is secret: no message quotes a value, nor what is not a name."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValidationError("This has to be an object of names and texts.")
        for position, (name, text) in enumerate(value.items(), start=1):
            if not _ENV_NAME.fullmatch(name):
                raise ValidationError(
                    f"Name number {position} is not a variable's: letters, digits and _, no digit first."
                )
            if not isinstance(text, str) or "\0" in text:
                raise ValidationError(f"The value of {name} has to be a text without NUL characters.")
        if json_bytes(value) > MAX_ENV_BYTES:
            raise ValidationError(f"This is larger than {MAX_ENV_BYTES} bytes of JSON.")
        return value


def _start(*, required: bool) -> fields.String:
    told = "1 to 64 of letters, digits, _, . and -."
    shape = validate.Regexp(r"\A[A-Za-z0-9_.-]{1,64}\Z", error=told)
    return fields.String(
        required=required,
        validate=shape,
        metadata={
            "pattern": "^[A-Za-z0-9_.-]{1,64}$",
            "description": "The caller's own random id of this start.",
        },
    )


class LabBody(StrictSchema[SpawnRequest]):
    """What starts a lab."""

    makes: ClassVar[type] = SpawnRequest
    start = _start(required=True)
    options = OptionsField(metadata={"type": "object", "description": "What the user chose: size, image, and so on."})
    env = EnvField(
        metadata={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "writeOnly": True,
            "description": "The environment of the lab. No answer ever carries it.",
        }
    )
    timeout = SecondsField(
        10,
        86_400,
        data_key="timeout_s",
        metadata={"description": "How long the caller waits; ours ends 5 seconds earlier, to tell why."},
    )


@dataclass(frozen=True, slots=True)
class StartQuery:
    replace: bool = False


class StartQuerySchema(StrictSchema[StartQuery]):
    makes: ClassVar[type] = StartQuery
    replace = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        error_messages={"invalid": "true or false."},
        metadata={"description": "Stop another start of this lab first, rather than refuse."},
    )


@dataclass(frozen=True, slots=True)
class StopQuery:
    wait: float = 0
    start: str | None = None


class StopQuerySchema(StrictSchema[StopQuery]):
    makes: ClassVar[type] = StopQuery
    wait = QuerySecondsField(0, MAX_WAIT, metadata={"description": "Answer when the lab is gone, or after so long."})
    start = _start(required=False)


@dataclass(frozen=True, slots=True)
class EventsQuery:
    last_event_id: str | None = None


class EventsQuerySchema(StrictSchema[EventsQuery]):
    makes: ClassVar[type] = EventsQuery
    last_event_id = fields.String(
        validate=validate.Length(max=64),
        metadata={"description": "As the header Last-Event-ID, which counts where both are there."},
    )


@dataclass(frozen=True, slots=True)
class PageQuery:
    limit: int = 100
    after: str = ""


class PageQuerySchema(StrictSchema[PageQuery]):
    makes: ClassVar[type] = PageQuery
    limit = fields.Integer(
        validate=validate.Range(1, MAX_PAGE, error=f"From 1 to {MAX_PAGE}."),
        error_messages={"invalid": f"From 1 to {MAX_PAGE}.", "too_large": f"From 1 to {MAX_PAGE}."},
    )
    after = fields.String(validate=validate.Length(max=400), metadata={"description": "The `next` of the page before."})


@dataclass(frozen=True, slots=True)
class NoQuery:
    """No query parameters."""


class NoQuerySchema(StrictSchema[NoQuery]):
    makes: ClassVar[type] = NoQuery


def _check_group_name(name: str) -> None:
    # It ends up in a line of a group file.
    bad = any(each in ":,/" or unicodedata.category(each) in _LINE_BREAKING for each in name)
    if bad or not name or name != name.strip() or len(name) > _MAX_GROUP_NAME:
        raise ValidationError(
            f"A group's name has 1 to {_MAX_GROUP_NAME} characters, none of them : , / or a control character."
        )


def _id() -> validate.Range:
    return validate.Range(0, _MAX_ID, error=f"From 0 to {_MAX_ID}.")


class GroupSchema(StrictSchema[Group]):
    makes: ClassVar[type] = Group
    name = fields.String(required=True, validate=_check_group_name)
    id = fields.Integer(required=True, strict=True, validate=_id())


@dataclass(frozen=True, slots=True)
class Dossier:
    uid: int
    gid: int | None = None
    groups: tuple[Group, ...] | list[Group] = ()
    username: str | None = None


class DossierBody(StrictSchema[Dossier]):
    """What describes a user. ``username`` may be left out; it is that of the path."""

    makes: ClassVar[type] = Dossier
    username = fields.String()
    uid = fields.Integer(required=True, strict=True, validate=_id())
    gid = fields.Integer(strict=True, validate=_id(), metadata={"description": "Without it, the setting users.gid."})
    groups = fields.List(fields.Nested(GroupSchema), validate=validate.Length(max=MAX_GROUPS))

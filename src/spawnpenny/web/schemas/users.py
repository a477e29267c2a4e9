"""Requests about users: the dossier, and the query of a retirement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields

from spawnpenny.domain.names import MAX_USERNAME, NAME_PATTERN
from spawnpenny.domain.users import GROUP_NAME, GROUP_PATTERN, MAX_GROUP_NAME, MAX_GROUPS, MAX_ID, Group, is_group_name
from spawnpenny.settings.fields import ShortTupleField
from spawnpenny.web.schemas.fields import MAX_WAIT, QuerySecondsField, integer_field, purge_field
from spawnpenny.web.schemas.incoming import BodySchema, IncomingSchema, QuerySchema, field_messages


def _check_group_name(name: str) -> None:
    if not is_group_name(name):
        raise ValidationError(f"has to be {GROUP_NAME}.")


def _id(**kwargs: Any) -> fields.Integer:
    return integer_field(0, MAX_ID, "a whole number", strict=True, **kwargs)


class GroupSchema(IncomingSchema[Group]):
    model: ClassVar[type] = Group
    error_messages = field_messages("an object with name and id")
    name = fields.String(
        required=True,
        validate=_check_group_name,
        error_messages=field_messages("the group's name, a text"),
        metadata={
            "minLength": 1,
            "maxLength": MAX_GROUP_NAME,
            "pattern": GROUP_PATTERN,
        },
    )
    id = _id(required=True)


_GROUPS: Final = field_messages(f"a list of at most {MAX_GROUPS} objects with name and id")


@dataclass(frozen=True, slots=True)
class Dossier:
    uid: int
    gid: int | None = None
    groups: tuple[Group, ...] = ()
    username: str | None = None


class DossierBody(BodySchema[Dossier]):
    """The dossier of a user."""

    model: ClassVar[type] = Dossier
    example: ClassVar[dict[str, Any]] = {"uid": 1234, "gid": 1234, "groups": [{"name": "staff", "id": 50}]}
    username = fields.String(
        error_messages=field_messages("the user of the path, or left out"),
        metadata={
            "description": "The username of the path; it may be left out.",
            "pattern": NAME_PATTERN,
            "maxLength": MAX_USERNAME,
        },
    )
    uid = _id(required=True)
    gid = _id(metadata={"description": "By default, the setting `users.gid`."})
    groups = ShortTupleField(
        fields.Nested(GroupSchema), most=MAX_GROUPS, error_messages=_GROUPS, metadata={"maxItems": MAX_GROUPS}
    )


@dataclass(frozen=True, slots=True)
class RetireQuery:
    wait: float = 0
    purge: str | None = None


class RetireQuerySchema(QuerySchema[RetireQuery]):
    model: ClassVar[type] = RetireQuery
    wait = QuerySecondsField(
        0, MAX_WAIT, metadata={"description": "Answer when the user is retired, or after this many seconds."}
    )
    purge = purge_field("also delete the user's volume claims")

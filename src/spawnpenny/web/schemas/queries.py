"""Query parameters that routes of several resources share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from marshmallow import fields, validate

from spawnpenny.web.schemas.fields import integer_field
from spawnpenny.web.schemas.incoming import QuerySchema, field_messages

T = TypeVar("T")

MAX_PAGE: Final = 500
NOT_A_CURSOR: Final = "has to be the `next` of the previous page."


@dataclass(frozen=True, slots=True)
class EventsQuery:
    """The query parameters of a stream of events."""

    last_event_id: str | None = None
    follow: bool = False


class EventsQuerySchema(QuerySchema[EventsQuery]):
    """The schema of ``EventsQuery``."""

    model: ClassVar[type] = EventsQuery
    last_event_id = fields.String(
        validate=validate.Length(max=64, error="has to be the id of an event."),
        metadata={"description": "The same as the header Last-Event-ID, which wins if both are sent."},
    )
    follow = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        error_messages=field_messages("true or false"),
        metadata={"description": "With true, the stream continues while it runs."},
    )


@dataclass(frozen=True, slots=True)
class PageQuery:
    """The query parameters of a list with pages."""

    limit: int = 100
    after: str = ""


class PagedQuerySchema(QuerySchema[T]):
    """The base of schemas for lists with pages."""

    limit = integer_field(1, MAX_PAGE, "a number", metadata={"description": "The number of items; 100 by default."})
    after = fields.String(
        validate=validate.Length(max=400, error=NOT_A_CURSOR),
        metadata={"description": "The `next` of the previous page."},
    )


class PageQuerySchema(PagedQuerySchema[PageQuery]):
    """The schema of ``PageQuery``."""

    model: ClassVar[type] = PageQuery


@dataclass(frozen=True, slots=True)
class NoQuery:
    """No query parameters."""


class NoQuerySchema(QuerySchema[NoQuery]):
    """The schema of a route without query parameters."""

    model: ClassVar[type] = NoQuery

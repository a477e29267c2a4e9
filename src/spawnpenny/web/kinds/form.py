"""The form for a spawn of one kind: a part of a page for people, a JSON Schema for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web
from marshmallow import fields

from spawnpenny.domain.kinds import Kind
from spawnpenny.domain.names import MAX_LAB, NAME_PATTERN
from spawnpenny.domain.spawns import Key
from spawnpenny.web.form.handler import QueryOptionsField, answer_form
from spawnpenny.web.request_parsing import query_of, username_of
from spawnpenny.web.route import Handler
from spawnpenny.web.schemas.incoming import QuerySchema


@dataclass(frozen=True, slots=True)
class KindFormQuery:
    name: str | None = None
    options: dict[str, Any] | None = None


class KindFormQuerySchema(QuerySchema[KindFormQuery]):
    model: ClassVar[type] = KindFormQuery
    name = fields.String(
        metadata={
            "description": "The name of the spawn; by default a new one.",
            "pattern": NAME_PATTERN,
            "maxLength": MAX_LAB,
        }
    )
    options = QueryOptionsField(
        metadata={
            "type": "string",
            "contentMediaType": "application/json",
            "description": "A JSON object of earlier choices. The page preselects those that still fit.",
        }
    )


def form_handler(kind: Kind) -> Handler:
    """Return the handler of the form for a kind."""

    async def get_form(request: web.Request) -> web.Response:
        username = username_of(request)
        query = query_of(request, KindFormQuerySchema())
        name = "" if query.name is None else kind.full_name(username, kind.check_name(query.name))
        return await answer_form(request, username, Key(kind.name, name), query.options)

    return get_form

"""One route of the table, from which router, authorization, audit log and OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from marshmallow import Schema

from spawnpenny.web.middleware.authorize import Access
from spawnpenny.web.schemas.requests import BodySchema

Codes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a route answers: what that means, and the schema or the media types of its body."""

    meaning: str
    body: type[Schema] | str | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One route. ``name`` is what audit log and OpenAPI document call it.

    ``refusals`` are the codes of its own; ``problems`` says that its refusals are problem documents, and not among its
    answers.
    """

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    access: Access
    name: str
    summary: str
    answers: Mapping[int, Answer]
    query: type[Schema] | None = None
    body: type[BodySchema[Any]] | None = None
    refusals: Mapping[int, Codes] = field(default_factory=dict)
    problems: bool = True

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods for the router: HEAD too, wherever GET is taken."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


BODY_REFUSED: Final[Mapping[int, Codes]] = {
    400: ("body_malformed",),
    408: ("body_timeout",),
    413: ("body_too_large",),
}
CHANGE_REFUSED: Final[Mapping[int, Codes]] = {
    502: ("cluster_error",),
    503: ("cluster_unavailable", "record_lost", "record_too_new", "record_unreadable"),
}

"""Routes: each declares its path, access, answers and refusals beside its handler.

The router, authorization, the audit log and the OpenAPI document are made of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, Unpack

from aiohttp import web
from marshmallow import Schema

from spawnpenny.web.dialect import Dialect
from spawnpenny.web.middleware.authorize import Access
from spawnpenny.web.schemas.incoming import BodySchema

Codes = tuple[str, ...]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a route: its meaning, and the schema or the media types of its body."""

    meaning: str
    body: type[Schema] | str | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Attributes:
        method: The HTTP method.
        path: The path, with its parts in braces.
        handler: The function that answers.
        access: The scopes that open the route.
        name: The name in the audit log and in the OpenAPI document.
        summary: One line for the OpenAPI document.
        answers: The answers by HTTP status.
        query: The schema of the query parameters.
        body: The schema of the body.
        refusals: The error codes of this route by HTTP status, beside those of every route.
        dialect: The foreign protocol of the route. Refusals are its own then, and the answers list them.

    """

    method: str
    path: str
    handler: Handler
    access: Access
    name: str
    summary: str
    answers: Mapping[int, Answer]
    query: type[Schema] | None = None
    body: type[BodySchema[Any]] | None = None
    refusals: Mapping[int, Codes] = field(default_factory=dict)
    dialect: Dialect | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods for the router: every GET route takes HEAD, too."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


class RouteOptions(TypedDict, total=False):
    """The attributes of a route that have defaults."""

    query: type[Schema]
    body: type[BodySchema[Any]]
    refusals: Mapping[int, Codes]
    dialect: Dialect


def route(
    method: str,
    path: str,
    access: Access,
    name: str,
    summary: str,
    answers: Mapping[int, Answer],
    **options: Unpack[RouteOptions],
) -> Callable[[Handler], Route]:
    """Make a route of a handler: a decorator, with the attributes of ``Route``."""
    return lambda handler: Route(method, path, handler, access, name, summary, answers, **options)


USER_PATH: Final = "/v1/users/{user}"
NO_MORE_EVENTS: Final = Answer("No event came after `Last-Event-ID`, and none will come.")
BODY_REFUSED: Final[Mapping[int, Codes]] = {
    400: ("body_malformed",),
    408: ("body_timeout",),
    413: ("body_too_large",),
}
"""Refusals of a route that takes a body."""
CHANGE_REFUSED: Final[Mapping[int, Codes]] = {
    502: ("cluster_error",),
    503: ("cluster_unavailable", "record_lost", "record_too_new", "record_unreadable"),
}
"""Refusals of a route that changes something in the cluster."""
START_REFUSED: Final[Mapping[int, Codes]] = {429: ("too_many_spawns", "too_many_requests")}
"""Refusals of a route that starts a spawn."""

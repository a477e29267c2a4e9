"""Routes about the spawns of one kind: start, read, stop, follow, list them, and scale those with workers."""

from __future__ import annotations

from collections.abc import Iterator

from spawnpenny.domain.kinds import FORM, Kind, Kinds
from spawnpenny.web.form.handler import HTML, SCHEMA
from spawnpenny.web.kinds.form import KindFormQuerySchema, form_handler
from spawnpenny.web.kinds.handlers import KindHandlers
from spawnpenny.web.kinds.schemas import KindSchemas, SpawnScaledView, schemas_of
from spawnpenny.web.middleware import authorize
from spawnpenny.web.route import BODY_REFUSED, CHANGE_REFUSED, NO_MORE_EVENTS, START_REFUSED, USER_PATH, Answer, Route
from spawnpenny.web.schemas.queries import EventsQuerySchema
from spawnpenny.web.schemas.spawns import ListPageQuerySchema, ListQuerySchema, ScaleBody, StartQuerySchema


def generic_routes(kinds: Kinds, *, but: str) -> dict[str, tuple[Route, ...]]:
    """Return the generic routes of all kinds that plugins declare, by kind.

    Args:
        kinds: The kinds.
        but: The kind that has routes of its own.

    """
    return {
        # The form comes first: a spawn cannot have its name.
        kind.name: (_form_route(kind), *routes_of(KindHandlers(kind), schemas_of(kind)))
        for kind in kinds.of_plugins
        if kind.name != but
    }


def routes_of(handlers: KindHandlers, schemas: KindSchemas) -> Iterator[Route]:
    """Yield the routes about the spawns of one kind, with the schemas of their answers."""
    kind = handlers.kind
    yield from _routes_of_one(handlers, schemas)
    if kind.scales:
        yield _scale_route(handlers)
    yield Route(
        "GET",
        f"{USER_PATH}/{kind.plural}",
        handlers.list_of_user,
        authorize.READ,
        f"{kind.name}.list",
        f"List a user's spawns of the kind {kind.name}.",
        {200: Answer("All of them, by name.", schemas.of_user)},
        query=ListQuerySchema,
    )
    yield Route(
        "GET",
        f"/v1/{kind.plural}",
        handlers.list_all,
        authorize.READ_ALL,
        f"{kind.name}.list_all",
        f"List all spawns of the kind {kind.name}, one page at a time.",
        {200: Answer("One page, by user and name.", schemas.page)},
        query=ListPageQuerySchema,
    )


def _routes_of_one(handlers: KindHandlers, schemas: KindSchemas) -> Iterator[Route]:
    kind, path = handlers.kind, _path(handlers.kind)
    one, unknown = kind.indefinite, {404: (kind.not_found,)}
    yield Route(
        "PUT",
        path,
        handlers.start,
        authorize.START_FROM_LABS if kind.from_labs else authorize.SPAWN,
        f"{kind.name}.start",
        f"Start {one}. The same request sent again, with the same `start`, is the same {kind.title}.",
        {
            202: Answer("Accepted: the request is stored, and it is starting.", schemas.spawn),
            200: Answer("This start was accepted before.", schemas.spawn),
        },
        query=StartQuerySchema,
        body=handlers.body,
        refusals={**BODY_REFUSED, **CHANGE_REFUSED, **START_REFUSED, **handlers.start_refusals},
    )
    yield Route(
        "GET",
        path,
        handlers.get,
        authorize.READ,
        f"{kind.name}.get",
        f"Read the state of {one}.",
        {200: Answer(f"The {kind.title}.", schemas.spawn)},
        refusals=unknown,
    )
    yield Route(
        "DELETE",
        path,
        handlers.stop,
        authorize.STOP_FROM_LABS if kind.from_labs else authorize.STOP,
        f"{kind.name}.stop",
        f"Stop {one}. With `start`, stop only that start.",
        {
            202: Answer("It is stopping.", schemas.stopping),
            204: Answer("It is gone, did not exist, or has another `start`."),
        },
        query=handlers.stop_query,
        refusals={**CHANGE_REFUSED, **handlers.stop_refusals},
    )
    yield Route(
        "GET",
        f"{path}/events",
        handlers.events,
        authorize.READ,
        f"{kind.name}.events",
        f"Follow the events of {one}, past and new ones, as server-sent events.",
        {
            200: Answer(
                "The events. Without `follow`, they end when it runs, has failed or is gone.", "text/event-stream"
            ),
            204: NO_MORE_EVENTS,
        },
        query=EventsQuerySchema,
        refusals={**unknown, 429: ("too_many_requests",)},
    )


def _scale_route(handlers: KindHandlers) -> Route:
    kind = handlers.kind
    return Route(
        "POST",
        f"{_path(kind)}/scale",
        handlers.scale,
        authorize.START_FROM_LABS if kind.from_labs else authorize.SPAWN,
        f"{kind.name}.scale",
        f"Set the number of workers of {kind.indefinite}.",
        {200: Answer("The scale is stored. It was cut to what fits.", SpawnScaledView)},
        body=ScaleBody,
        refusals={
            **BODY_REFUSED,
            **CHANGE_REFUSED,
            404: (kind.not_found,),
            409: ("not_running",),
            422: ("kind_not_loaded",),
        },
    )


def _form_route(kind: Kind) -> Route:
    return Route(
        "GET",
        f"{USER_PATH}/{kind.plural}/{FORM}",
        form_handler(kind),
        authorize.READ_FORM,
        f"{kind.name}.form",
        f"Read the form for {kind.indefinite}: HTML for a page, or a JSON Schema of `options`.",
        {200: Answer("By `Accept`: HTML, empty if there is nothing to choose, or JSON Schema.", (SCHEMA, HTML))},
        query=KindFormQuerySchema,
        refusals={409: ("user_conflict",)},
    )


def _path(kind: Kind) -> str:
    return f"{USER_PATH}/{kind.plural}/{{{kind.name_field}}}"

"""One-time tickets for dashboards. The proxy redeems a ticket, and shows the dashboard of its spawn.

The replica that owns the user keeps hashes of them in memory. A restart loses them; a new answer has a new ticket.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from aiohttp import web
from marshmallow import Schema, fields, validate

from spawnpenny.domain.kinds import Kind
from spawnpenny.domain.spawns import Key, Phase
from spawnpenny.web.errors import UnknownTicketError
from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_parsing import body_of, name_of, query_of, user_of
from spawnpenny.web.route import BODY_REFUSED, USER_PATH, Answer, Route
from spawnpenny.web.schemas.incoming import BodySchema, field_messages
from spawnpenny.web.schemas.queries import NoQuerySchema
from spawnpenny.web.schemas.responses import described
from spawnpenny.web.spawns import find_spawn

MOST: Final = 256
"""Unused tickets of one spawn. A further one replaces the oldest."""
_MOST_SPAWNS: Final = 10_000


class Tickets:
    """The tickets of all spawns, by their ids."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[str, deque[bytes]] = OrderedDict()

    def new(self, spawn: str) -> str:
        """Return a new ticket for a spawn."""
        ticket = secrets.token_urlsafe(24)
        self._hashes.setdefault(spawn, deque(maxlen=MOST)).append(_hash(ticket))
        self._hashes.move_to_end(spawn)
        if len(self._hashes) > _MOST_SPAWNS:
            self._hashes.popitem(last=False)
        return ticket

    def use(self, spawn: str, ticket: str) -> bool:
        """Use up a ticket; return whether it was a valid one of this spawn."""
        try:
            self._hashes.get(spawn, deque()).remove(_hash(ticket))
        except ValueError:
            return False
        return True


def _hash(ticket: str) -> bytes:
    # Only hashes are compared: the time that it takes reveals nothing of a ticket.
    return hashlib.sha256(ticket.encode("utf-8", "surrogateescape")).digest()


TICKETS: Final = web.AppKey("TICKETS", Tickets)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket that is to be used up."""

    ticket: str = field(repr=False)


class TicketBody(BodySchema[Ticket]):
    """The one-time ticket of a link to a dashboard."""

    model: ClassVar[type] = Ticket
    example: ClassVar[dict[str, Any]] = {"ticket": "the part of the link after the name of the spawn"}
    ticket = fields.String(
        required=True,
        validate=validate.Length(1, 128, error="has to be a ticket, a text."),
        error_messages=field_messages("a ticket, a text"),
    )


class TicketView(Schema):
    """The pod whose dashboard a ticket has opened."""

    uid = fields.String(required=True, metadata=described("The uid of the pod, whose dashboard may be shown."))


async def redeem(request: web.Request, key: Key) -> web.Response:
    """Use up the ticket in the body of a request.

    Raises:
        UnknownTicketError: It is not known, was used, or its spawn does not run.

    """
    query_of(request, NoQuerySchema())
    body = await body_of(request, TicketBody())
    run = find_spawn(request, user_of(request), key)
    if run is None or not request.app[TICKETS].use(run.record.id, body.ticket) or run.record.phase is not Phase.RUNNING:
        raise UnknownTicketError
    return web.json_response({"uid": run.record.pod_uid})


def ticket_route(kind: Kind) -> Route:
    """Return the route by which the proxy uses up tickets for spawns of a kind."""

    async def redeem_ticket(request: web.Request) -> web.Response:
        return await redeem(request, Key(kind.name, name_of(request, kind)))

    return Route(
        "POST",
        f"{USER_PATH}/{kind.plural}/{{{kind.name_field}}}/ticket",
        redeem_ticket,
        authorize.ROUTES,
        f"{kind.name}.ticket",
        f"Redeem a one-time ticket for the dashboard of {kind.indefinite}; for `spawnpenny proxy`.",
        {200: Answer("The ticket was valid, and is used up.", TicketView)},
        body=TicketBody,
        refusals={**BODY_REFUSED, 404: ("ticket_unknown",)},
    )

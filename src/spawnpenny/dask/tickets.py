"""One-time tickets for dashboards: each opens one cluster's dashboard, once it is exchanged.

They are in the memory of the replica that looks after the user, as hashes; after a restart there are none, and a new
report has a new one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict, deque
from typing import Final

from aiohttp import web

MOST: Final = 256
"""How many unused tickets there are of one cluster: each further one takes the place of the oldest."""
_MOST_CLUSTERS: Final = 10_000


class Tickets:
    """The tickets of all clusters, by the ids of their spawns."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[str, deque[bytes]] = OrderedDict()

    def new(self, spawn: str) -> str:
        """Return a new ticket for a cluster."""
        ticket = secrets.token_urlsafe(24)
        self._hashes.setdefault(spawn, deque(maxlen=MOST)).append(_hash(ticket))
        self._hashes.move_to_end(spawn)
        if len(self._hashes) > _MOST_CLUSTERS:
            self._hashes.popitem(last=False)
        return ticket

    def use(self, spawn: str, ticket: str) -> bool:
        """Use a ticket up; return whether it was one of this cluster's."""
        try:
            self._hashes.get(spawn, deque()).remove(_hash(ticket))
        except ValueError:
            return False
        return True


def _hash(ticket: str) -> bytes:
    # What is compared is the hash of a guess: how long that takes reveals nothing of a ticket.
    return hashlib.sha256(ticket.encode("utf-8", "surrogateescape")).digest()


TICKETS: Final = web.AppKey("TICKETS", Tickets)

"""One-time tickets for dashboards. The proxy redeems a ticket, and shows its cluster's dashboard.

The replica that owns the user keeps hashes of them in memory. A restart loses them; a new report has a new ticket.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict, deque
from typing import Final

from aiohttp import web

MOST: Final = 256
"""Unused tickets of one cluster. A further one replaces the oldest."""
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
        """Use up a ticket; return whether it was a valid one of this cluster."""
        try:
            self._hashes.get(spawn, deque()).remove(_hash(ticket))
        except ValueError:
            return False
        return True


def _hash(ticket: str) -> bytes:
    # Only hashes are compared: the time that it takes reveals nothing of a ticket.
    return hashlib.sha256(ticket.encode("utf-8", "surrogateescape")).digest()


TICKETS: Final = web.AppKey("TICKETS", Tickets)

"""Count a start against the limit of its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spawnpenny.web.app_keys import LIMITS, SERVICE

if TYPE_CHECKING:
    from aiohttp import web

    from spawnpenny.domain.spawns import Key


def count_start(request: web.Request, username: str, key: Key, start: str) -> None:
    """Count a start against the limit of its user. A start that already exists is answered beyond the limit, too.

    Raises:
        TooManyRequestsError: The user has requested too many.

    """
    existing = request.app[SERVICE].spawns.find(username, key)
    limit = request.app[LIMITS].starts
    wait = limit.count(username)
    if wait and (existing is None or existing.record.request.start != start):
        raise limit.refusal(username, wait)

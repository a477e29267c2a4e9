"""The spawns that a request is about, whatever their kind: found, listed, and seen to their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from spawnpenny.web.exchange import exchange
from spawnpenny.web.keys import SERVICE
from spawnpenny.web.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from spawnpenny.domain.spawns import Key, Kind
    from spawnpenny.pipeline.account import Run


def run_of(request: web.Request, username: str, key: Key) -> Run | None:
    """Return a spawn, and note that the request is about it; None where there is none."""
    run = request.app[SERVICE].spawns.find(username, key)
    if run is not None:
        exchange(request).about(run)
    return run


def runs_of(request: web.Request, username: str, kind: Kind) -> list[Run]:
    """Return a user's spawns of a kind, by name."""
    account = request.app[SERVICE].spawns.account(username)
    runs = sorted(account.runs.items(), key=lambda each: each[0].name) if account else []
    return [run for key, run in runs if key.kind is kind]


async def stopping(
    request: web.Request, run: Run | None, seconds: float, view: Callable[[Run], dict[str, Any]]
) -> web.Response:
    """Answer a DELETE: 204 once nothing of a spawn is left (None: there was none), 202 with its view until then.

    Raises:
        ElsewhereError: Another replica goes on with it.

    """
    if run is None:
        return web.Response(status=204)
    exchange(request).about(run)
    if seconds:
        await until(request, run, run.until_gone(), seconds)
    return web.Response(status=204) if run.gone else web.json_response(view(run), status=202)

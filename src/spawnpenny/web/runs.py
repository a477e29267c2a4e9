"""Find, list and wait for the spawns that a request is about, whatever their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from spawnpenny.domain.names import Names
from spawnpenny.errors import InvalidRequestError
from spawnpenny.kubernetes.pods.grace_period import longest_grace
from spawnpenny.spawns.listing import START
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.request_context import asker, request_context
from spawnpenny.web.schemas.requests import NO_PAGE, PageQuery
from spawnpenny.web.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from spawnpenny.domain.spawns import Key, Kind
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.record import SpawnRecord
    from spawnpenny.spawns.user_state import UserState


def run_of(request: web.Request, username: str, key: Key) -> ActiveSpawn | None:
    """Return a spawn, and note that the request is about it; None where there is none."""
    run = request.app[SERVICE].spawns.find(username, key)
    if run is not None:
        request_context(request).about(run)
    return run


def runs_of(request: web.Request, username: str, kind: Kind) -> list[ActiveSpawn]:
    """Return a user's spawns of a kind, by name."""
    user_state = request.app[SERVICE].spawns.user_state(username)
    runs = sorted(user_state.runs.items(), key=lambda each: each[0].name) if user_state else []
    return [run for key, run in runs if key.kind is kind]


async def page_of(
    request: web.Request, kind: Kind, query: PageQuery, *, where: Callable[[SpawnRecord], bool] = lambda _: True
) -> tuple[list[tuple[UserState, ActiveSpawn]], str | None]:
    """Return one page of all spawns of a kind, by user and name, and the cursor of the next page where there is one.

    Raises:
        InvalidRequestError: ``after`` is no cursor.

    """
    after = _place(query.after) if query.after else START
    rest = await request.app[SERVICE].spawns.page(kind, after=after, limit=query.limit + 1, where=where)
    page = rest[: query.limit]
    following = f"{page[-1][0].username}/{page[-1][1].record.key.name}" if len(rest) > len(page) else None
    return page, following


async def stopping(
    request: web.Request,
    username: str,
    run: ActiveSpawn | None,
    seconds: float,
    view: Callable[[ActiveSpawn], dict[str, Any]],
) -> web.Response:
    """Answer a DELETE: 204 once nothing of a spawn is left (None: there was none), 202 with its view until then.

    It does not wait where too many of the caller's wait already. The view has the grace period of its pods, so that
    callers know how long an ordinary stop may take.

    Raises:
        ElsewhereError: Another replica goes on with it.

    """
    if run is None:
        return web.Response(status=204)
    request_context(request).about(run)
    if seconds and request.app[LIMITS].requests.may_wait(asker(request).username):
        await until(request, run, run.until_gone(), seconds)
    if run.gone:
        return web.Response(status=204)
    return web.json_response({**view(run), "grace": _grace(request, username, run)}, status=202)


def _place(cursor: str) -> tuple[str, str]:
    username, slash, name = cursor.partition("/")
    if not slash:
        raise InvalidRequestError(f"after {NO_PAGE}", field="after")
    return username, name


def _grace(request: web.Request, username: str, run: ActiveSpawn) -> float:
    """Return the grace period of a spawn's pods, and of those that it replaces."""
    service_context, record = request.app[SERVICE].service_context, run.record
    names = Names.of(username, record.key.kind, record.key.name, prefix=service_context.settings.namespaces.prefix)
    pods = service_context.pods.within(names.namespace)
    return max(longest_grace(pods, spawn) for spawn in (record.id, *(replace.id for replace in record.replaces)))

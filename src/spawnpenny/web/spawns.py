"""Find, list and wait for the spawns of a request, whatever their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from spawnpenny.aio.race import until_first
from spawnpenny.domain.names import Names
from spawnpenny.errors import InvalidRequestError
from spawnpenny.kubernetes.pods.grace_period import longest_grace
from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.spawns.listing import START, is_of_kind, place_of
from spawnpenny.web.app_keys import CLOSING, LIMITS, SERVICE
from spawnpenny.web.request_context import identity_of, request_context
from spawnpenny.web.schemas.queries import NOT_A_CURSOR, PageQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from spawnpenny.domain.spawns import Key
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.spawn_record import SpawnRecord
    from spawnpenny.spawns.user_state import UserState


def find_spawn(request: web.Request, username: str, key: Key) -> ActiveSpawn | None:
    """Return a spawn, and note it in the request's context; None if it does not exist."""
    run = request.app[SERVICE].spawns.find(username, key)
    if run is not None:
        request_context(request).about(run)
    return run


def spawns_of(request: web.Request, username: str, kind: str | None) -> list[ActiveSpawn]:
    """Return a user's spawns of a kind, by name; None: of all kinds, by kind and name."""
    user_state = request.app[SERVICE].spawns.user_state(username)
    runs = user_state.runs if user_state else {}
    return [runs[key] for key in sorted(runs, key=lambda key: (key.kind, key.name)) if is_of_kind(key, kind)]


async def page_of_spawns(
    request: web.Request, kind: str | None, query: PageQuery, *, where: Callable[[SpawnRecord], bool] = lambda _: True
) -> tuple[list[tuple[UserState, ActiveSpawn]], str | None]:
    """Return one page of all spawns of a kind, by user and name, and the cursor of the next page, if there is one.

    None: those of all kinds, by user, kind and name.

    Raises:
        InvalidRequestError: ``after`` is not a cursor.

    """
    after = _place(query.after) if query.after else START
    rest = await request.app[SERVICE].spawns.page(kind, after=after, limit=query.limit + 1, where=where)
    page = rest[: query.limit]
    following = None
    if len(rest) > len(page):
        user_state, run = page[-1]
        following = f"{user_state.username}/{place_of(run.record.key, kind)}"
    return page, following


async def answer_stop(
    request: web.Request,
    username: str,
    run: ActiveSpawn | None,
    seconds: float,
    view: Callable[[ActiveSpawn], dict[str, Any]],
) -> web.Response:
    """Answer a DELETE: 204 once nothing of a spawn is left, 202 with its view until then.

    ``run`` is None if there was no spawn. The request does not wait if too many of the caller's requests wait already.
    The view has the grace period of the pods, so that callers know how long an ordinary stop may take.

    Raises:
        ElsewhereError: Another replica took over the user of the spawn.

    """
    if run is None:
        return web.Response(status=204)
    request_context(request).about(run)
    if seconds and request.app[LIMITS].requests.may_wait(identity_of(request).username):
        await wait_until(request, run, run.until_gone(), seconds)
    if run.gone:
        return web.Response(status=204)
    return web.json_response({**view(run), "grace": _grace(request, username, run)}, status=202)


async def wait_until(
    request: web.Request, run: ActiveSpawn, happened: Coroutine[Any, Any, None], seconds: float
) -> None:
    """Wait until something has happened to a spawn, for a limited time and only while the service runs.

    Raises:
        ElsewhereError: Another replica took over the user of the spawn.

    """
    await until_first(happened, request.app[CLOSING].wait(), seconds=seconds)
    if run.moved:
        raise ElsewhereError(None)


def _place(cursor: str) -> tuple[str, str]:
    username, slash, name = cursor.partition("/")
    if not slash:
        raise InvalidRequestError(f"after {NOT_A_CURSOR}", field="after")
    return username, name


def _grace(request: web.Request, username: str, run: ActiveSpawn) -> float:
    """Return the longest grace period of a spawn's pods and of the pods of the spawns that it replaces."""
    service_context, record = request.app[SERVICE].service_context, run.record
    names = Names.of(username, record.key.kind, record.key.name, prefix=service_context.settings.namespaces.prefix)
    pods = service_context.pods.within(names.namespace)
    return max(longest_grace(pods, spawn) for spawn in (record.id, *(replace.id for replace in record.replaces)))

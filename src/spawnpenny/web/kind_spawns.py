"""Spawns of a plugin's own kinds, for the routes of that plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from spawnpenny.auth.users import resolve_user
from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Key, Phase, Reason, Scale, SpawnRequest
from spawnpenny.errors import InvalidRequestError, PluginError, QuotaExceededError
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.counted_starts import count_start
from spawnpenny.web.events import stream
from spawnpenny.web.held_starts import hold_start
from spawnpenny.web.metrics.plugin_gauges import pods_by_spawn
from spawnpenny.web.request_context import identity_of, request_context
from spawnpenny.web.request_parsing import user_of
from spawnpenny.web.schemas.queries import EventsQuery, PageQuery
from spawnpenny.web.spawn_state import SpawnState
from spawnpenny.web.spawns import answer_stop, find_spawn, page_of_spawns, spawns_of, wait_until
from spawnpenny.web.tickets import TICKETS, redeem

if TYPE_CHECKING:
    from spawnpenny.domain.cluster_options import ClusterOption
    from spawnpenny.domain.users import User
    from spawnpenny.domain.worker_groups import WorkerGroup
    from spawnpenny.kubernetes.interface import Manifest, WatchEvent
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.spawn_record import SpawnRecord


@dataclass(frozen=True, slots=True)
class StartedSpawn:
    """The result of a start: the spawn, and whether it is a new one."""

    spawn: SpawnState
    new: bool


@dataclass(frozen=True, slots=True)
class ScaledSpawn:
    """The result of scaling: the spawn, its scale now, and why that is less than requested, if it is."""

    spawn: SpawnState
    scale: Scale
    refusal: QuotaExceededError | None


@dataclass(frozen=True, slots=True)
class SpawnPage:
    """One page of a list: the spawns, the cursor of the next page, and the users whose records cannot be read."""

    spawns: list[SpawnState]
    next: str | None
    unknown: list[str]


class KindSpawns:
    """The spawns of the kinds that a plugin declares: start, scale, stop, find and list them.

    Each method takes the request. It is about the user in the path, or else the caller's own user: the one for whom
    the route's ``access`` has admitted the caller. The audit log and the limits of the user count what it does. A
    request about a user of another replica is forwarded to that replica, and handled there.

    A key of a kind that the plugin does not declare is refused with ``PluginError``.

    Example::

        async def get_render(request: web.Request) -> web.Response:
            spawn = spawns.find(request, Key("render", request.match_info["render"]))
            if spawn is None:
                raise RayNotFoundError
            return web.json_response(spawn.view())
    """

    def __init__(self, plugin: str, kinds: Collection[str]) -> None:
        self._plugin = plugin
        self._kinds = frozenset(kinds)

    async def start(
        self, request: web.Request, key: Key, start: SpawnRequest, *, replace: bool = False
    ) -> StartedSpawn:
        """Start a spawn. When this returns, it is recorded. A repeated ``start.start`` returns the same spawn.

        With ``replace``, another spawn of the key is stopped first, if the same caller started it. A start counts
        against the limit of its user.

        Raises:
            TooManyRequestsError: The user has no start left.
            SpawnpennyError: The start is refused: by the form, the quota, another start of the key and so on.

        """
        self._demand_own(key.kind)
        username, service = user_of(request), request.app[SERVICE]
        if not service.plugins.provides(key.kind):
            title = service.plugins.kinds.title(key.kind)
            raise InvalidRequestError(f"The plugins here start no {title}: no step makes its objects.")
        count_start(request, username, key, start.start)
        attempt = partial(service.spawns.start, username, key, start, identity=identity_of(request), replace=replace)
        started = await hold_start(request, username, attempt)
        return StartedSpawn(self._seen(request, username, started.run), started.new)

    async def scale(self, request: web.Request, key: Key, desired: Callable[[Scale], Scale]) -> ScaledSpawn | None:
        """Scale a spawn; return None if it does not exist. When this returns, the scale is recorded.

        ``desired`` gets the present scale, and returns the new one. What is beyond the user's budget is cut to what
        fits.

        Raises:
            SpawnNotRunningError: It is being stopped, has failed or has ended.
            NotScalableError: Its kind has no workers.

        """
        self._demand_own(key.kind)
        username = user_of(request)
        scaled = await request.app[SERVICE].spawns.scale(username, key, desired)
        if scaled is None:
            return None
        return ScaledSpawn(self._seen(request, username, scaled.run), scaled.scale, scaled.refusal)

    async def stop(self, request: web.Request, key: Key, *, start: str | None = None) -> SpawnState | None:
        """Stop a spawn; return it, or None if there is nothing to stop. With ``start``, only that start is stopped."""
        self._demand_own(key.kind)
        username = user_of(request)
        run = await request.app[SERVICE].spawns.stop(username, key, start=start)
        return None if run is None else self._seen(request, username, run)

    def find(self, request: web.Request, key: Key) -> SpawnState | None:
        """Return a spawn of the user, or None."""
        self._demand_own(key.kind)
        username = user_of(request)
        run = find_spawn(request, username, key)
        return None if run is None else self._seen(request, username, run)

    def list_of_user(self, request: web.Request, kind: str) -> list[SpawnState]:
        """Return the spawns of a kind that the user has, by name."""
        self._demand_own(kind)
        username = user_of(request)
        return [self._state(request, username, run) for run in spawns_of(request, username, kind)]

    async def list_all(
        self,
        request: web.Request,
        kind: str,
        query: PageQuery,
        *,
        where: Callable[[Phase, Reason | None], bool] = lambda _phase, _reason: True,
    ) -> SpawnPage:
        """Return one page of the spawns of a kind that all users have, by user and name.

        Only routes with an access such as ``READ_ALL`` may do so. ``where`` chooses by phase and reason.
        """
        self._demand_own(kind)

        def chosen(record: SpawnRecord) -> bool:
            return where(record.phase, record.reason)

        page, following = await page_of_spawns(request, kind, query, where=chosen)
        spawns = [self._state(request, user_state.username, run) for user_state, run in page]
        return SpawnPage(spawns, following, request.app[SERVICE].spawns.unknown())

    async def answer_stop(
        self,
        request: web.Request,
        spawn: SpawnState | None,
        seconds: float,
        view: Callable[[SpawnState], dict[str, Any]],
    ) -> web.Response:
        """Answer a DELETE, after ``stop``: 204 once nothing of the spawn is left, 202 with its view until then.

        It waits so many seconds. The view gets a member ``grace``, the grace period of the pods in seconds.
        """
        run = None if spawn is None else spawn._run  # noqa: SLF001 - both are the two sides of one interface
        username = user_of(request)
        return await answer_stop(request, username, run, seconds, lambda run: view(SpawnState(username, run)))

    async def answer_events(self, request: web.Request, spawn: SpawnState, query: EventsQuery) -> web.StreamResponse:
        """Answer with the events of a spawn, as server-sent events. Open streams count against the user's limit."""
        return await stream(request, spawn._run, query)  # noqa: SLF001 - likewise

    async def wait(
        self, request: web.Request, spawn: SpawnState, until: Callable[[SpawnState], bool], seconds: float
    ) -> None:
        """Wait until something holds of a spawn, for a limited time and only while the service runs.

        Raises:
            ElsewhereError: Another replica took over the user; the request is forwarded to it.

        """
        run = spawn._run  # noqa: SLF001 - likewise

        async def happened() -> None:
            while not until(spawn) and not (run.gone or run.moved):
                await run.bell.next().wait()

        await wait_until(request, run, happened(), seconds)

    def note(self, request: web.Request, **names: str) -> None:
        """Note what the request is about, beside the parts of its path, for the audit log."""
        request_context(request).names |= names

    def user(self, request: web.Request) -> User:
        """Return the user, as steps would see one now."""
        username, service = user_of(request), request.app[SERVICE]
        user_state = service.spawns.user_state(username)
        known = user_state.known if user_state else None
        return resolve_user(username, identity_of(request), known, service.settings.users)

    def cluster_options(self, request: web.Request, kind: str) -> tuple[ClusterOption, ...]:
        """Return the options of a kind that all plugins offer the user."""
        self._demand_own(kind)
        return request.app[SERVICE].plugins.cluster_options(self.user(request), kind)

    def worker_groups(self, request: web.Request, kind: str) -> tuple[WorkerGroup, ...]:
        """Return the worker groups of a kind that all plugins offer."""
        self._demand_own(kind)
        return request.app[SERVICE].plugins.worker_groups(kind)

    def is_ready(self, request: web.Request) -> bool:
        """Return whether the state of the cluster is known."""
        return request.app[SERVICE].spawns.ready

    def new_ticket(self, request: web.Request, spawn: SpawnState) -> str:
        """Return a new ticket, by which one browser opens the dashboard of a spawn at the proxy."""
        self._demand_own(spawn.key.kind)
        return request.app[TICKETS].new(spawn.id)

    async def redeem_ticket(self, request: web.Request, key: Key) -> web.Response:
        """Answer a request of the proxy, with a ticket as its body: use the ticket up, and return the uid of the pod.

        Raises:
            UnknownTicketError: The ticket is not known, was used, or its spawn does not run.

        """
        self._demand_own(key.kind)
        return await redeem(request, key)

    def pods(self, request: web.Request, username: str | None = None) -> Mapping[str, list[Manifest]]:
        """Return the pods of a user's spawns, by the ids of the spawns. They are cached: it costs no call.

        The manifests are shared: do not change them. ``username`` is for routes about all users.
        """
        return pods_by_spawn(request.app[SERVICE], username or user_of(request), self._kinds)

    @contextmanager
    def subscribe(self, request: web.Request) -> Iterator[AsyncIterator[WatchEvent]]:
        """Follow the pods of all spawns of the plugin's kinds: an iterator of ``type`` and ``object``.

        It has each change since the context began.
        """

        async def own() -> AsyncIterator[WatchEvent]:
            async for change in changes:
                if change.object["metadata"].get("labels", {}).get(labels.KIND) in self._kinds:
                    yield change

        with request.app[SERVICE].service_context.pods.subscribe() as changes:
            yield own()

    def _demand_own(self, kind: str) -> None:
        if kind not in self._kinds:
            raise PluginError(
                f"A route of the plugin {self._plugin!r} asks for spawns of the kind {kind!r}, which the plugin does "
                "not declare."
            )

    def _seen(self, request: web.Request, username: str, run: ActiveSpawn) -> SpawnState:
        """Return the state of the spawn that the request is about."""
        request_context(request).about(run)
        return self._state(request, username, run)

    def _state(self, request: web.Request, username: str, run: ActiveSpawn) -> SpawnState:
        request_context(request).shown.append(run.record)
        return SpawnState(username, run)

"""The spawns of one service.

They are started, stopped and looked up here, and driven by ``spawns.controller`` in tasks of the service.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from spawnpenny.aio.tasks import Tasks
from spawnpenny.auth.identity import Identity
from spawnpenny.auth.users import check_ids, resolve_user
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import Desired, Key, Kind, Phase, Scale, SpawnRequest
from spawnpenny.domain.users import User
from spawnpenny.errors import NotReadyError, QuotaExceededError, SpawnpennyError, UserConflictError
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.admission import (
    conflict,
    demand_up,
    hostnames,
    make_spawn,
    oldest_history,
    trial,
)
from spawnpenny.spawns.callers import refuse_foreign
from spawnpenny.spawns.controller import SpawnController, persist
from spawnpenny.spawns.deletion import (
    COMMISSIONING,
    has_namespace,
    placeholder,
    refuse_to_retire,
    refuse_while_purging,
    refuse_while_retiring,
)
from spawnpenny.spawns.errors import RecordLostError
from spawnpenny.spawns.listing import START, Directory
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.spawn_record import SpawnRecord
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState

_HEARSAY: Final = 2.0
"""Seconds until another replica's write of a record reaches this cache."""


@dataclass(frozen=True, slots=True)
class Started:
    """The result of a start: the spawn, and whether it is a new one."""

    run: ActiveSpawn
    new: bool


@dataclass(frozen=True, slots=True)
class Scaled:
    """The result of scaling: the spawn, its scale now, and why that is less than requested, with the numbers."""

    run: ActiveSpawn
    scale: Scale
    refusal: QuotaExceededError | None


class Spawns:
    """Starts and stops spawns, and knows them. ``ready`` is set once the state of the cluster is known."""

    def __init__(self, service_context: ServiceContext, user_registry: UserRegistry, tasks: Tasks) -> None:
        self._service_context = service_context
        self._user_registry = user_registry
        self._tasks = tasks
        self.ready = False

    async def start(
        self, username: str, key: Key, request: SpawnRequest, *, identity: Identity, replace: bool = False
    ) -> Started:
        """Accept a spawn: when this returns, it is durable and under way.

        The same ``request.start`` again is the same spawn. ``replace`` stops another one of that key first,
        by the uid of its pod, where the same caller started that.

        Raises:
            StartConflictError: Another start is there, and ``replace`` is not set.
            ForeignStartError: Another start is there, and another caller's.
            NotReadyError: The state of the cluster is not known (yet).
            InvalidRequestError, QuotaExceededError, NameCollisionError, UserConflictError, ForbiddenError,
                TooManySpawnsError: Refused.

        """
        self._demand_ready()
        async with self._locked(username) as user_state:
            user = resolve_user(username, identity, user_state.known, self._service_context.settings.users)
            refuse_while_retiring(user_state)
            existing = user_state.runs.get(key)
            if existing is not None and existing.record.request.start == request.start:
                return Started(existing, new=False)
            refuse_while_purging(existing, key)
            if existing is not None and existing.record.active:
                if not replace:
                    raise conflict(existing, key)
                refuse_foreign(existing, username, request, identity)
            return Started(await self._accept(user_state, user, key, request, identity), new=True)

    def ending(self, username: str) -> set[asyncio.Task[None]]:
        """Return the tasks that take spawns of a user away.

        Raises:
            ElsewhereError: Another replica looks after the user.

        """
        user_state = self.user_state(username)
        runs = user_state.runs.values() if user_state is not None else ()
        return {run.task for run in runs if run.record.leaving and run.task is not None and not run.task.done()}

    async def commission(self, user: User, *, identity: Identity) -> Started:
        """Make a user known with this dossier, and run the site's orders for it.

        The same dossier again, while it is active or under way, is the same spawn, unless the site's orders have been
        edited since they ran.

        Raises:
            UserConflictError: Another dossier is under way.
            ForbiddenError: The uid is below ``users.min_uid``.

        """
        self._demand_ready()
        check_ids(user, self._service_context.settings.users)
        key = COMMISSIONING
        async with self._locked(user.username) as user_state:
            existing = user_state.runs.get(key)
            known, active = user_state.record.user, existing is not None and existing.record.active
            stays = active and existing is not None and existing.record.desired is Desired.RUNNING
            same = stays and user_state.record.commissioned and known == user
            if existing is not None and same and not (existing.settled and self._is_outdated(user_state, existing)):
                return Started(existing, new=False)
            if existing is not None and stays and not existing.settled:
                raise UserConflictError(
                    f"Another dossier of {user.username} is being commissioned; try again when it is done."
                )
            request = SpawnRequest(start=secrets.token_hex(8))
            run = await self._accept(user_state, user, key, request, identity, commissioned=True)
            return Started(run, new=True)

    def _is_outdated(self, user_state: UserState, run: ActiveSpawn) -> bool:
        """Return whether a finished commissioning would do something else now."""
        try:
            return bool(StepView(SpawnContext(self._service_context, user_state, run)).runner().outdated())
        except SpawnpennyError:  # the orders cannot be read at the moment: what has run, has run
            return False

    async def retire(self, username: str, *, purge: bool = False) -> ActiveSpawn | None:
        """Retire a user for good; return the retirement, or None if the user is unknown.

        The site's order ``retire`` runs, and the user's namespace goes. ``purge``: with the storage in it.

        Raises:
            UserConflictError: The user has a lab or Dask cluster, or is being retired without ``purge``.
            NotReadyError: The state of the cluster is not known (yet).

        """
        self._demand_ready()
        if self.user_state(username) is None:
            return None
        async with self._locked(username) as user_state:
            refuse_to_retire(user_state, purge=purge)
            run = user_state.runs.get(COMMISSIONING)
            if run is None and not user_state.record.applied and not has_namespace(self._service_context, username):
                return None  # retired already, or never more than written down
            run = run or placeholder(user_state)
            if run.record.desired is not Desired.GONE:
                run.record.request = replace(run.record.request, options={"purge": purge})
                run.record.reverted = False
                user_state.record.applied.clear()  # what comes after, or in between, may rely on nothing of it
                await self._order_gone(user_state, run)
            return run

    async def scale(self, username: str, key: Key, wanted: Scale | Callable[[Scale], Scale]) -> Scaled | None:
        """Scale a Dask cluster: when this returns, the scale is durable; None if no such cluster exists.

        ``wanted`` is that, or makes it of the scale as it is when no other request changes it any more. What does not
        fit into the user's budget is cut to what does.

        Raises:
            SpawnNotRunningError: It is being stopped, has failed or has ended.
            NotReadyError: The state of the cluster is not known (yet).
            ElsewhereError: Another replica looks after the user.

        """
        self._demand_ready()
        if self.user_state(username) is None:
            return None
        async with self._locked(username) as user_state:
            run = user_state.runs.get(key)
            if run is None:
                return None
            demand_up(run)
            budget, before = StepView(SpawnContext(self._service_context, user_state, run)).budget, run.record.scale
            asked = wanted if isinstance(wanted, Scale) else wanted(before)
            fitted = budget.fit(asked.held(asked.count))
            run.standing = before  # or workers would go, or come, by what may not get written
            budget.set_scale(fitted.scale)
            try:
                await self._service_context.store.save(user_state.record)
            except BaseException as error:
                budget.set_scale(before)
                self._write_back(user_state, user_state.record.user, error)
                raise
            finally:
                run.standing = None
            run.changes.notify()
            return Scaled(run, fitted.scale, fitted.refusal)

    async def stop(self, username: str, key: Key, *, start: str | None = None) -> ActiveSpawn | None:
        """Stop a spawn; return it, or None if there is nothing to stop.

        With ``start``, only that start is stopped: any other one is left as it is.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).
            ElsewhereError: Another replica looks after the user.

        """
        self._demand_ready()
        if self.user_state(username) is None:
            return None
        async with self._locked(username) as user_state:
            run = user_state.runs.get(key)
            if run is None or (start is not None and run.record.request.start != start):
                return None
            if run.record.desired is not Desired.GONE:
                await self._order_gone(user_state, run)
            return run

    def hostnames(self, username: str, key: Key) -> tuple[str, ...]:
        """Return under which names a spawn will be reached by TLS, whether it is there or not.

        Raises:
            TlsUnsupportedError: It is not.

        """
        return hostnames(self._service_context, username, key)

    async def purge(
        self, username: str, key: Key, *, identity: Identity, start: str | None = None
    ) -> ActiveSpawn | None:
        """Delete for good the storage that is a spawn's alone, and first the spawn, if it exists.

        Return the spawn, or what stands for it; ``kept`` says why storage was kept, once it is gone. None where there
        is nothing to take away.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).
            ElsewhereError: Another replica looks after the user.

        """
        self._demand_ready()
        if self.user_state(username) is None and not has_namespace(self._service_context, username):
            return None
        async with self._locked(username) as user_state:
            run = user_state.runs.get(key)
            if start is not None and (run is None or run.record.request.start != start):
                return None
            if run is None:
                if not has_namespace(self._service_context, username):
                    return None
                refuse_while_retiring(user_state)
                if user_state.known is None:
                    user_state.record.user = resolve_user(
                        username, identity, None, self._service_context.settings.users
                    )
                run = placeholder(user_state, key, identity.name)
            if not (run.record.purge and run.record.desired is Desired.GONE):
                run.record.purge = True
                await self._order_gone(user_state, run)
            return run

    def find(self, username: str, key: Key) -> ActiveSpawn | None:
        """Return a spawn, or None.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).

        """
        user_state = self.user_state(username)
        return user_state.runs.get(key) if user_state else None

    def user_state(self, username: str) -> UserState | None:
        """Return the state of a user, or None.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).

        """
        self._demand_ready()
        user_state = self._user_registry.find(username)
        if user_state is None:
            self._demand_here(username)
        return user_state

    async def look_for(self, username: str) -> None:
        """Make sure that a user who is not known here is not one whom another replica has just begun with.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).
            ElsewhereError: Another replica looks after the user.
            ClusterError: The cluster does not answer.

        """
        if self.user_state(username) is None:
            await self._service_context.ownership.ask(safe_slug(username), self._service_context.cluster)

    async def page(
        self,
        kind: Kind,
        *,
        after: tuple[str, str],
        limit: int,
        where: Callable[[SpawnRecord], bool] = lambda _: True,
    ) -> list[tuple[UserState, ActiveSpawn]]:
        """Return what ``all`` does, of those whose record ``where`` is true of; others have their turn meanwhile.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).

        """
        self._demand_ready()
        directory = Directory(self._user_registry, self._service_context.ownership)
        return await directory.page(kind, after=after, limit=limit, where=where)

    def all(
        self, kind: Kind, *, after: tuple[str, str] = START, limit: int | None = None
    ) -> list[tuple[UserState, ActiveSpawn]]:
        """Return all spawns of a kind, by username and name: those after such a place, as many as ``limit`` says.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).

        """
        self._demand_ready()
        return Directory(self._user_registry, self._service_context.ownership).all(kind, after=after, limit=limit)

    def user_states(self) -> list[UserState]:
        """Return all user states in memory, also before the state of the cluster is known."""
        return list(self._user_registry)

    def unknown(self) -> list[str]:
        """Return the users whose records cannot be read: what they have running is not in ``all``."""
        return self._user_registry.refused()

    @asynccontextmanager
    async def _locked(self, username: str) -> AsyncIterator[UserState]:
        """Hold a user's state. If another replica has the user, say so as soon as it is known."""
        self._demand_here(username)
        try:
            async with self._user_registry.locked(username, self._service_context.store.owner) as user_state:
                yield user_state
        except RecordLostError:
            with suppress(TimeoutError):
                async with asyncio.timeout(_HEARSAY):
                    await self._service_context.ownership.heard_of(safe_slug(username))
            self._demand_here(username)
            raise

    def _demand_here(self, username: str) -> None:
        self._user_registry.demand_readable(username)
        slug = safe_slug(username)
        if self._user_registry.by_slug(slug) is None:
            self._service_context.ownership.demand_unknown(slug)

    async def _accept(
        self,
        user_state: UserState,
        user: User,
        key: Key,
        request: SpawnRequest,
        identity: Identity,
        *,
        commissioned: bool = False,
    ) -> ActiveSpawn:
        """Write the spawn down, then make it so in memory: a write that fails changes nothing here."""
        existing = user_state.runs.get(key)
        attempt = trial(user_state, user, identity, commissioned=commissioned)
        run = make_spawn(self._service_context, attempt, key, request, identity=identity)
        oldest = oldest_history(user_state, key)
        if oldest is not None:
            attempt.record.spawns.pop(oldest.record.key)
        attempt.record.spawns[key] = run.record
        try:
            await self._service_context.store.save(attempt.record)
        except BaseException as error:
            self._write_back(user_state, user, error)
            raise
        user_state.demand_here()  # or who has the user by now starts it too
        if oldest is not None:
            user_state.forget(oldest)
            oldest.vanish()
        user_state.record.take(attempt.record, key)
        user_state.runs[key] = run
        if existing is not None:
            run.take_the_place_of(existing)
        controller = SpawnController(SpawnContext(self._service_context, user_state, run))
        self._launch(run, controller, partial(controller.come_up, existing.task if existing else None))
        return run

    async def _order_gone(self, user_state: UserState, run: ActiveSpawn) -> None:
        run.record.desired = Desired.GONE
        if run.task is not None:
            run.task.cancel()  # now, or it would go on while the order is written
        controller = SpawnController(SpawnContext(self._service_context, user_state, run))
        controller.to_phase(Phase.STOPPING)
        try:
            await self._service_context.store.save(user_state.record)
        except BaseException:
            # It may be written down or not. That somebody wants it gone is certain: write it first, then do it.
            if not user_state.moved:
                self._launch(run, controller, partial(controller.go_down, run.task, written=False))
            raise
        user_state.demand_here()
        self._launch(run, controller, partial(controller.go_down, run.task))

    def _write_back(self, user_state: UserState, user: User, error: BaseException) -> None:
        """Bring what is stored back to what we know, where a write may have arrived though its answer did not."""
        if user_state.moved or not isinstance(error, UnavailableError | asyncio.CancelledError):
            return
        if not user_state.record.recorded:
            user_state.record.user = user
        self._user_registry.hold(user_state)
        self._tasks.run(self._persist(user_state))

    async def _persist(self, user_state: UserState) -> None:
        try:
            await persist(self._service_context, user_state)
        finally:
            self._user_registry.let_go(user_state)

    def _launch(
        self, run: ActiveSpawn, controller: SpawnController, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        run.task = self._tasks.start(controller.see_through(work))

    def _demand_ready(self) -> None:
        if not self.ready:
            raise NotReadyError

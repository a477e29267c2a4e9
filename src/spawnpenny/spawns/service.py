"""The spawns of one service: requests to start, scale, stop, purge and retire are decided here.

What they order is carried out by ``spawns.controller``, in tasks of the service.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from spawnpenny.aio.tasks import Tasks
from spawnpenny.auth.identity import Identity
from spawnpenny.auth.users import check_ids, resolve_user
from spawnpenny.domain.kinds import Kind
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import Desired, Key, Scale, SpawnRequest
from spawnpenny.domain.users import User
from spawnpenny.errors import QuotaExceededError, SpawnpennyError, UserConflictError
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.admission import conflict, demand_up
from spawnpenny.spawns.callers import refuse_foreign
from spawnpenny.spawns.deletion import (
    COMMISSIONING,
    has_namespace,
    placeholder,
    refuse_to_retire,
    refuse_while_purging,
    refuse_while_retiring,
)
from spawnpenny.spawns.errors import KindNotLoadedError, NotScalableError, RecordLostError
from spawnpenny.spawns.launcher import Launcher
from spawnpenny.spawns.lookup import SpawnLookup
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState

_CACHE_DELAY: Final = 2.0
"""Seconds until another replica's write of a record reaches this cache."""


@dataclass(frozen=True, slots=True)
class Started:
    """The result of a start: the spawn, and whether it is a new one."""

    run: ActiveSpawn
    new: bool


@dataclass(frozen=True, slots=True)
class Scaled:
    """The result of scaling: the spawn, its scale now, and why that is less than requested, if it is."""

    run: ActiveSpawn
    scale: Scale
    refusal: QuotaExceededError | None


class Spawns(SpawnLookup):
    """Starts, scales, stops and finds spawns."""

    def __init__(self, service_context: ServiceContext, user_registry: UserRegistry, tasks: Tasks) -> None:
        super().__init__(service_context, user_registry)
        self._launcher = Launcher(service_context, user_registry, tasks)

    async def start(
        self, username: str, key: Key, request: SpawnRequest, *, identity: Identity, replace: bool = False
    ) -> Started:
        """Accept a spawn. When this returns, it is recorded and its task runs.

        A repeated ``request.start`` returns the same spawn. With ``replace``, another spawn of the key is stopped
        first, if the same caller started it.

        Raises:
            StartConflictError: Another start exists, and ``replace`` is not set.
            ForeignStartError: Another caller's start exists.
            NotReadyError: The state of the cluster is not known (yet).
            KindNotLoadedError: No loaded plugin declares the kind.
            InvalidRequestError, QuotaExceededError, NameCollisionError, UserConflictError, ForbiddenError,
                TooManySpawnsError: The request is refused.

        """
        self._demand_ready()
        self._demand_loaded(key)
        async with self._locked(username) as user_state:
            user = resolve_user(username, identity, user_state.known, self._service_context.settings.users)
            refuse_while_retiring(user_state)
            existing = user_state.runs.get(key)
            if existing is not None and existing.record.request.start == request.start:
                return Started(existing, new=False)
            refuse_while_purging(existing, key, self._service_context.plugins.kinds)
            if existing is not None and existing.record.active:
                if not replace:
                    raise conflict(existing, key, self._service_context.plugins.kinds)
                refuse_foreign(existing, username, request, identity, self._service_context.plugins.kinds)
            return Started(await self._launcher.accept(user_state, user, key, request, identity), new=True)

    async def commission(self, user: User, *, identity: Identity) -> Started:
        """Commission a user with this dossier, and run the site's orders.

        A repeated dossier returns the same spawn, unless the site's orders have been edited since they ran.

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
            run = await self._launcher.accept(user_state, user, key, request, identity, commissioned=True)
            return Started(run, new=True)

    def _is_outdated(self, user_state: UserState, run: ActiveSpawn) -> bool:
        """Return whether the site's orders have changed since a finished commissioning."""
        try:
            return bool(StepView(SpawnContext(self._service_context, user_state, run)).runner().outdated())
        except SpawnpennyError:  # the orders cannot be read now: the finished run counts
            return False

    async def retire(self, username: str, *, purge: bool = False) -> ActiveSpawn | None:
        """Retire a user for good; return the retirement, or None if the user is unknown.

        The site's order ``retire`` runs, and the user's namespace goes. ``purge``: with the storage in it.

        Raises:
            UserConflictError: The user has a lab or another spawn, or is being retired without ``purge``.
            NotReadyError: The state of the cluster is not known (yet).

        """
        self._demand_ready()
        if self.user_state(username) is None:
            return None
        async with self._locked(username) as user_state:
            refuse_to_retire(user_state, purge=purge)
            run = user_state.runs.get(COMMISSIONING)
            if run is None and not user_state.record.applied and not has_namespace(self._service_context, username):
                return None  # already retired, or only a record existed
            run = run or placeholder(user_state)
            if run.record.desired is not Desired.GONE:
                run.record.request = replace(run.record.request, options={"purge": purge})
                run.record.reverted = False
                user_state.record.applied.clear()  # a later start must not rely on shared steps
                await self._launcher.stop(user_state, run)
            return run

    async def scale(self, username: str, key: Key, desired: Scale | Callable[[Scale], Scale]) -> Scaled | None:
        """Scale a spawn; return None if it does not exist. When this returns, the scale is recorded.

        ``desired`` is the new scale, or a function of the present one, called under the user's lock. A scale beyond the
        user's budget is cut to what fits.

        Raises:
            SpawnNotRunningError: It is being stopped, has failed or has ended.
            KindNotLoadedError: No loaded plugin declares its kind.
            NotScalableError: Spawns of its kind have no workers.
            InvalidRequestError: It may not have so many workers.
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
            kind = self._demand_scalable(key)
            demand_up(run, self._service_context.plugins.kinds)
            budget, before = StepView(SpawnContext(self._service_context, user_state, run)).budget, run.record.scale
            requested = desired if isinstance(desired, Scale) else desired(before)
            kind.check_workers(requested.total, "count")
            fitted = budget.fit(requested.held(requested.count))
            run.recorded_scale = before  # workers must not follow a scale that may not get recorded
            budget.set_scale(fitted.scale)
            try:
                await self._service_context.store.save(user_state.record)
            except BaseException as error:
                budget.set_scale(before)
                self._launcher.write_back(user_state, user_state.record.user, error)
                raise
            finally:
                run.recorded_scale = None
            run.changes.notify()
            return Scaled(run, fitted.scale, fitted.refusal)

    async def stop(self, username: str, key: Key, *, start: str | None = None) -> ActiveSpawn | None:
        """Stop a spawn; return it, or None if there is nothing to stop.

        With ``start``, only that start is stopped.

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
                await self._launcher.stop(user_state, run)
            return run

    async def purge(
        self, username: str, key: Key, *, identity: Identity, start: str | None = None
    ) -> ActiveSpawn | None:
        """Delete for good the storage of one spawn, and first the spawn, if it exists.

        Return the spawn or its placeholder, or None if there is nothing to delete. Once it is gone, its ``kept`` says
        why storage was kept.

        Raises:
            KindNotLoadedError: No loaded plugin declares the kind, so no step knows its storage.
            NotReadyError: The state of the cluster is not known (yet).
            ElsewhereError: Another replica looks after the user.

        """
        self._demand_ready()
        self._demand_loaded(key)
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
                await self._launcher.stop(user_state, run)
            return run

    def _demand_loaded(self, key: Key) -> Kind:
        kind = self._service_context.plugins.kinds.get(key.kind)
        if kind is None:
            raise KindNotLoadedError(key.kind)
        return kind

    def _demand_scalable(self, key: Key) -> Kind:
        kind = self._demand_loaded(key)
        if not kind.scales:
            raise NotScalableError(f"The {self._service_context.plugins.kinds.describe(key)} has no workers.")
        return kind

    @asynccontextmanager
    async def _locked(self, username: str) -> AsyncIterator[UserState]:
        """Hold a user's state under its lock.

        Raises:
            ElsewhereError: Another replica has the user.

        """
        self._demand_here(username)
        try:
            async with self._user_registry.locked(username, self._service_context.store.owner) as user_state:
                yield user_state
        except RecordLostError:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CACHE_DELAY):
                    await self._service_context.ownership.wait_for_other_owner(safe_slug(username))
            self._demand_here(username)
            raise

"""Launch the work of spawns: write what is ordered into the record, then start the task that does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from spawnpenny.aio.tasks import Tasks
from spawnpenny.auth.identity import Identity
from spawnpenny.domain.spawns import Desired, Key, Phase, SpawnRequest
from spawnpenny.domain.users import User
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.admission import (
    make_spawn,
    oldest_history,
    trial,
)
from spawnpenny.spawns.controller import SpawnController
from spawnpenny.spawns.persistence import persist
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState


class Launcher:
    """Writes and starts what ``Spawns`` has decided. The caller holds the user's lock."""

    def __init__(self, service_context: ServiceContext, user_registry: UserRegistry, tasks: Tasks) -> None:
        self._service_context = service_context
        self._user_registry = user_registry
        self._tasks = tasks

    async def accept(
        self,
        user_state: UserState,
        user: User,
        key: Key,
        request: SpawnRequest,
        identity: Identity,
        *,
        commissioned: bool = False,
    ) -> ActiveSpawn:
        """Record a new spawn, then start it. A write that fails changes nothing in memory."""
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
            self.write_back(user_state, user, error)
            raise
        user_state.demand_here()  # else the new owner of the user would start it, too
        if oldest is not None:
            user_state.forget(oldest)
            oldest.vanish()
        user_state.record.take(attempt.record, key)
        user_state.runs[key] = run
        if existing is not None:
            run.take_the_place_of(existing)
        controller = SpawnController(SpawnContext(self._service_context, user_state, run))
        self._launch(run, controller, partial(controller.start, existing.task if existing else None))
        return run

    async def stop(self, user_state: UserState, run: ActiveSpawn) -> None:
        """Record that a spawn is to be gone, then start its end."""
        run.record.desired, run.record.stored = Desired.GONE, None
        if run.task is not None:
            run.task.cancel()  # now, or it would go on during the write
        controller = SpawnController(SpawnContext(self._service_context, user_state, run))
        controller.set_phase(Phase.STOPPING)
        try:
            await self._service_context.store.save(user_state.record)
        except BaseException:
            # The write may have arrived or not, but the request stands: the task writes it first.
            if not user_state.moved:
                self._launch(run, controller, partial(controller.stop, run.task, written=False))
            raise
        user_state.demand_here()
        self._launch(run, controller, partial(controller.stop, run.task))

    def write_back(self, user_state: UserState, user: User, error: BaseException) -> None:
        """Store the state in memory again after a write that may have arrived although it failed."""
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
        run.task = self._tasks.start(controller.carry_out(work))

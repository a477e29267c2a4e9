"""Lookup of spawns: by user and key, and all of a kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import Key
from spawnpenny.errors import NotReadyError
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.admission import (
    hostnames,
)
from spawnpenny.spawns.listing import START, Directory
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_record import SpawnRecord
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState


class SpawnLookup:
    """Finds spawns. ``ready`` is set once the state of the cluster is known."""

    def __init__(self, service_context: ServiceContext, user_registry: UserRegistry) -> None:
        self._service_context = service_context
        self._user_registry = user_registry
        self.ready = False

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
        """Make sure that no other replica has just started with a user who is unknown here.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).
            ElsewhereError: Another replica looks after the user.
            ClusterError: The cluster does not answer.

        """
        if self.user_state(username) is None:
            await self._service_context.ownership.demand_no_stored_record(
                safe_slug(username), self._service_context.cluster
            )

    async def page(
        self,
        kind: str | None,
        *,
        after: tuple[str, str],
        limit: int,
        where: Callable[[SpawnRecord], bool] = lambda _: True,
    ) -> list[tuple[UserState, ActiveSpawn]]:
        """Return what ``all`` does, filtered by ``where``. Other tasks run in between.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).

        """
        self._demand_ready()
        directory = Directory(self._user_registry, self._service_context.ownership)
        return await directory.page(kind, after=after, limit=limit, where=where)

    def all(
        self, kind: str, *, after: tuple[str, str] = START, limit: int | None = None
    ) -> list[tuple[UserState, ActiveSpawn]]:
        """Return all spawns of a kind, sorted by username and name: those after ``after``, at most ``limit``.

        Raises:
            NotReadyError: The state of the cluster is not known (yet).

        """
        self._demand_ready()
        return Directory(self._user_registry, self._service_context.ownership).all(kind, after=after, limit=limit)

    def user_states(self) -> list[UserState]:
        """Return all user states in memory, also before the state of the cluster is known."""
        return list(self._user_registry)

    def unknown(self) -> list[str]:
        """Return the users whose records cannot be read. Their spawns are not in ``all``."""
        return self._user_registry.refused()

    def ending(self, username: str) -> set[asyncio.Task[None]]:
        """Return the tasks that delete spawns of a user.

        Raises:
            ElsewhereError: Another replica looks after the user.

        """
        user_state = self.user_state(username)
        runs = user_state.runs.values() if user_state is not None else ()
        return {run.task for run in runs if run.record.leaving and run.task is not None and not run.task.done()}

    def hostnames(self, username: str, key: Key) -> tuple[str, ...]:
        """Return the host names of a spawn for TLS, whether it exists or not.

        Raises:
            TlsUnsupportedError: Spawns of this kind serve no TLS.

        """
        return hostnames(self._service_context, username, key)

    def _demand_here(self, username: str) -> None:
        self._user_registry.demand_readable(username)
        slug = safe_slug(username)
        if self._user_registry.by_slug(slug) is None:
            self._service_context.ownership.demand_no_record(slug)

    def _demand_ready(self) -> None:
        if not self.ready:
            raise NotReadyError

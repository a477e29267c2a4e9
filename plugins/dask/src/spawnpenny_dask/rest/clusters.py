"""The Dask clusters of a request: find them, and make their views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from spawnpenny.api import Key
from spawnpenny.api.http import KindSpawns, SpawnState, cluster_of, is_own_cluster_name, own_cluster_name, user_of
from spawnpenny_dask.errors import DaskNotFoundError
from spawnpenny_dask.kind import DASK
from spawnpenny_dask.rest.schemas import dask_view
from spawnpenny_dask.rest.worker_counts import waiting_of, workers_of


@dataclass(frozen=True, slots=True)
class Clusters:
    """The Dask clusters that the routes of the plugin reach."""

    spawns: KindSpawns

    def key_of(self, request: web.Request) -> Key:
        """Return the key of the Dask cluster in the path. The path may have the name that the user chose.

        Raises:
            InvalidNameError: No cluster can have that name.

        """
        key = Key(DASK, cluster_of(request))
        if not is_own_cluster_name(key.name) or self.spawns.find(request, key) is not None:
            return key
        own = Key(DASK, own_cluster_name(user_of(request), key.name))
        return key if self.spawns.find(request, own) is None else own

    def find(self, request: web.Request) -> SpawnState:
        """Return the Dask cluster in the path, of the user in the path or else of the caller.

        Raises:
            DaskNotFoundError: The user has no such cluster.

        """
        key = self.key_of(request)
        spawn = self.spawns.find(request, key)
        if spawn is None:
            raise DaskNotFoundError(user_of(request), key.name)
        return spawn

    def viewer(self, request: web.Request, username: str) -> Callable[[SpawnState], dict[str, Any]]:
        """Return a function that makes the views of a user's clusters from the user's present pods."""
        pods, groups = self.spawns.pods(request, username), self.spawns.worker_groups(request, DASK)

        def view(spawn: SpawnState) -> dict[str, Any]:
            own = pods.get(spawn.id, ())
            return dask_view(spawn, workers_of(own), groups, waiting_of(own))

        return view

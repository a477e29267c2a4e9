"""The Lease of this replica: its renewal shows the others that this one is alive, and lets it write."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from typing import Final

import structlog

from spawnpenny.domain import labels
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import AlreadyExistsError, ConflictError, NotFoundError
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.replicas.fence import Fence
from spawnpenny.replicas.replica import Replica

PERMISSIONS: Final[Declared] = {"state": (allow("create", "get", "update", "delete", on="leases"),)}
_RENEWALS: Final = 3
"""Renewals within the duration of a Lease."""
_MARGIN: Final = 0.2
"""The last part of the duration, without writes: a running write has to arrive in it."""


class Heartbeat:
    """The renewals of this replica's Lease, which keep its write fence open.

    Args:
        cluster: The cluster of the Lease, not behind the fence.
        replica: This replica.
        namespace: The state namespace.
        installation: The name of the installation.
        seconds: The duration of a Lease.
        catch_up: Awaited before the fence opens again, as other replicas may have taken users over meanwhile.

    """

    def __init__(
        self,
        cluster: Cluster,
        replica: Replica,
        *,
        namespace: str,
        installation: str,
        seconds: float,
        catch_up: Callable[[], Awaitable[None]],
    ) -> None:
        self.fence = Fence(seconds)
        self.lost = asyncio.Event()
        self._cluster = cluster
        self._replica = replica
        self._namespace = namespace
        self._installation = installation
        self._seconds = seconds
        self._catch_up = catch_up
        self._version = version_of("spawnpenny")  # read once: a renewal opens no file
        self._held: Manifest | None = None
        self._log = structlog.get_logger("spawnpenny.replicas").bind(replica=replica.identity)

    async def begin(self) -> None:
        """Take the Lease of this replica's name; an earlier process of that name counts as dead from then on.

        Raises:
            ClusterError: The cluster does not answer.

        """
        started = asyncio.get_running_loop().time()
        try:
            stored = await self._cluster.create(self._lease())
        except AlreadyExistsError:
            existing = await self._cluster.read(self._ref())
            if existing is None:
                raise
            stored = await self._cluster.replace(self._lease(existing["metadata"]["resourceVersion"]))
        self._hold(stored, started)

    async def run(self) -> None:
        """Renew the Lease until cancelled, or until another process of the same name takes it."""
        pause = self._seconds / _RENEWALS
        while not self.lost.is_set():
            await asyncio.sleep(pause)
            try:
                await self._renew(pause)
            except (SpawnpennyError, TimeoutError) as error:
                self._log.warning("the lease could not be renewed", error=str(error) or "no answer in time")
            except Exception:  # noqa: BLE001 - without renewals the replica would stay fenced for ever
                self._log.exception("the lease could not be renewed")

    async def end(self) -> None:
        """Delete the Lease, so that other replicas take over at once."""
        self.fence.shut()
        if self._held is None or self.lost.is_set():
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self._cluster.delete(self._ref(), uid=self._held["metadata"]["uid"])
        except (SpawnpennyError, TimeoutError) as error:
            self._log.warning("the lease could not be deleted", error=str(error) or "no answer in time")

    async def _renew(self, patience: float) -> None:
        started = asyncio.get_running_loop().time()
        async with asyncio.timeout(patience):
            stored = await self._store()
        if stored is None:
            return
        self._held = stored
        if not self.fence.is_open:  # catching up may take its time: nothing is written meanwhile
            self._log.warning("the lease had expired; users that other replicas took over are released")
            await self._catch_up()
        self._hold(stored, started)

    async def _store(self) -> Manifest | None:
        """Write the Lease; return it as stored, or None if another process has taken it."""
        version = self._held["metadata"]["resourceVersion"] if self._held is not None else None
        while True:
            try:
                return await self._cluster.replace(self._lease(version))
            except NotFoundError:
                self.fence.shut()  # another replica that saw the deletion may have taken users over
                return await self._cluster.create(self._lease())
            except ConflictError:
                existing = await self._cluster.read(self._ref())
            if existing is not None and existing["spec"]["holderIdentity"] != self._replica.identity:
                self._give_up()
                return None
            if existing is not None:  # the answer to a renewal was lost: continue from its version
                version = existing["metadata"]["resourceVersion"]

    def _hold(self, stored: Manifest, started: float) -> None:
        self._held = stored
        self.fence.open_until(started + self._seconds * (1 - _MARGIN))

    def _give_up(self) -> None:
        self._log.error("another process has taken the lease of this replica's name", name=self._replica.name)
        self.fence.shut()
        self.lost.set()

    def _ref(self) -> Ref:
        return Ref(resource_of("Lease"), f"replica-{self._replica.name}", self._namespace)

    def _lease(self, version: str | None = None) -> Manifest:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata: Manifest = {
            "name": f"replica-{self._replica.name}",
            "namespace": self._namespace,
            "labels": {**labels.ours(self._installation), labels.KIND: "replica"},
            "annotations": {labels.ADDRESS: self._replica.address, labels.VERSION: self._version},
        }
        if version is not None:
            metadata["resourceVersion"] = version
        spec = {
            "holderIdentity": self._replica.identity,
            "leaseDurationSeconds": max(1, math.ceil(self._seconds)),
            "renewTime": now,
        }
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

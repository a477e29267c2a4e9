"""A replica among the others: its Lease, its peers, and its users."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.aio.faults import Faults
from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.domain import labels
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Cluster
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.replicas.heartbeat import Heartbeat
from spawnpenny.replicas.ownership import Ownership
from spawnpenny.replicas.peers import Peers
from spawnpenny.replicas.replica import Replica
from spawnpenny.settings.model import Settings

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0


class Membership:
    """The part of one replica in the group: its Lease, its peers and its write fence.

    Args:
        settings: The settings of the service.
        cluster: The cluster of Leases and records, not behind the fence.
        changed: Called when the set of living replicas changes.
        catch_up: Awaited before the first write after an expired Lease, as others may have taken users over.
        faults: The record of Leases that cannot be understood.

    """

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        *,
        changed: Callable[[], None],
        catch_up: Callable[[], Awaitable[None]],
        faults: Faults | None = None,
    ) -> None:
        mine, state = labels.ours(settings.installation), settings.namespaces.state
        self.me = Replica.of(settings)
        self.records = Informer(cluster, resource_of("Secret"), namespace=state, labels={**mine, labels.KIND: "record"})
        self.leases = Informer(cluster, resource_of("Lease"), namespace=state, labels={**mine, labels.KIND: "replica"})
        self.peers = Peers(self.leases, self.me, changed, faults=faults)
        self.ownership = Ownership(self.me, self.peers, self.records, state)
        self.heartbeat = Heartbeat(
            cluster,
            self.me,
            namespace=state,
            installation=settings.installation,
            seconds=settings.replicas.lease,
            catch_up=catch_up,
        )

    def supervise(self, supervisor: Supervisor) -> None:
        """Run the informers, the peers and the heartbeat for as long as the service runs, after ``begin``."""
        supervisor.supervise("records informer", self.records.run)
        supervisor.supervise("leases informer", self.leases.run)
        supervisor.supervise("peers", self.peers.run)
        supervisor.supervise(
            "heartbeat", self.heartbeat.run, finite=True
        )  # it ends when another process takes its Lease

    async def begin(self) -> None:
        """Take the Lease; try again until the cluster gives it."""
        waits = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            try:
                await self.heartbeat.begin()
            except SpawnpennyError as error:
                structlog.get_logger("spawnpenny.replicas").warning("no lease yet", error=error.message)
                await asyncio.sleep(next(waits))
            else:
                return

    async def known(self) -> None:
        """Return once the other replicas and all records are known."""
        await self.leases.synced.wait()
        await self.peers.known.wait()
        await self.records.synced.wait()

"""The broker process: one of several leads and answers broker requests, the others stand by."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.broker.leader import Election, lease_ref
from spawnpenny.broker.local import LocalBroker, broker_informers
from spawnpenny.broker.namespaces import UserNamespaces
from spawnpenny.broker.order_runs import OrderRuns
from spawnpenny.broker.orders import OrdersFile
from spawnpenny.broker.status import StatusPublisher
from spawnpenny.broker.worker import RequestWorker
from spawnpenny.domain import labels
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Cluster
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.settings.model import Settings

PERMISSIONS: Final[Declared] = {"state": (allow("list", "watch", "patch", on="configmaps"),)}

_ENDING: Final = 5.0
"""Seconds that running work gets when the broker ends."""


class BrokerServer:
    """Broker process that answers broker requests while it leads. ``run_broker`` opens one.

    ``outcomes`` counts its answers, as ``ok`` or by the code of the error.
    """

    def __init__(self, cluster: Cluster, settings: Settings, supervisor: Supervisor | None = None) -> None:
        self.supervisor = supervisor or Supervisor()
        self.outcomes: Counter[str] = Counter()
        self._cluster = cluster
        self._settings = settings
        self._orders = OrdersFile(settings.broker.orders)
        self._orders.read()
        spaces, mine = settings.namespaces, labels.ours(settings.installation)
        self._namespaces, self._pods = broker_informers(cluster, settings)
        self._maps = Informer(cluster, resource_of("ConfigMap"), labels=mine, namespace=spaces.state)
        self._leases = Informer(cluster, lease_ref(settings).resource, labels=mine, namespace=spaces.broker)
        self._user_namespaces = UserNamespaces(cluster, settings, self._namespaces, separate=True)
        self._election = Election(cluster, settings, self._leases)

    @property
    def informers(self) -> tuple[Informer, ...]:
        """The informers of the broker: user namespaces, pods of orders, requests, and the Lease."""
        return (self._namespaces, self._pods, self._maps, self._leases)

    @property
    def ready(self) -> bool:
        """Return whether it knows the state of the cluster and its tasks run, so that it can lead or stand by."""
        return all(informer.synced.is_set() for informer in self.informers) and not self.supervisor.unwell()

    @property
    def leading(self) -> bool:
        return self._election.leading

    async def until_leading(self) -> None:
        """Return when this broker leads."""
        await self._election.until_leading()

    async def run(self) -> None:
        """Take part in the election, and answer requests while leading, until cancelled."""
        for informer in self.informers:
            await informer.synced.wait()
        structlog.get_logger("spawnpenny.broker").info("ready")
        await self._election.run(self._lead)

    async def _lead(self) -> None:
        runs = OrderRuns(self._cluster, self._settings, self._pods, self.supervisor.faults)
        broker = LocalBroker(self._settings, self._user_namespaces, self._orders, runs)
        publisher = StatusPublisher(self._cluster, self._settings, self._maps, broker)
        request_worker = RequestWorker(
            self._cluster,
            self._settings,
            self._maps,
            broker,
            publisher.publish,
            faults=self.supervisor.faults,
            outcomes=self.outcomes,
        )
        part = self.supervisor.part()
        try:
            await runs.resume()
            part.supervise("broker status", publisher.run)
            part.supervise("broker requests", request_worker.run)
            await asyncio.Event().wait()  # until the election cancels this
        finally:
            await part.close()
            await request_worker.close(min(_ENDING, self._election.left() / 2))
            await runs.close()


@asynccontextmanager
async def run_broker(
    cluster: Cluster, settings: Settings, *, supervisor: Supervisor | None = None
) -> AsyncIterator[BrokerServer]:
    """Run a broker until the context ends; then another broker takes over at once.

    Raises:
        SettingsError: The orders file cannot be read, or is not valid.

    """
    server = BrokerServer(cluster, settings, supervisor)
    informers, tasks = server.supervisor.part(), server.supervisor.part()
    for name, informer in zip(("namespaces", "pods", "requests", "leases"), server.informers, strict=True):
        informers.supervise(f"{name} informer", informer.run)
    tasks.supervise("election", server.run)
    try:
        yield server
    finally:
        structlog.get_logger("spawnpenny.broker").info("ending")
        await tasks.close()
        await informers.close()

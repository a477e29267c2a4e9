"""The broker's work, without the process around it.

The service runs it in its own process on one machine, and where no separate broker is set. In a broker process,
``broker.server`` runs it for the requests in the cluster.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.auth.users import check_ids
from spawnpenny.broker.namespaces import UserNamespaces, namespace_hash
from spawnpenny.broker.order_runs import OrderRuns
from spawnpenny.broker.orders import Order, Orders, OrdersFile
from spawnpenny.domain import labels
from spawnpenny.domain.broker_errors import BrokerRefusedError
from spawnpenny.domain.users import User
from spawnpenny.errors import ForbiddenError, ProvisionError, SettingsError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Cluster
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.settings.model import Settings


class LocalBroker:
    """Makes user namespaces and runs orders. Use it by ``run_local_broker``."""

    def __init__(
        self, settings: Settings, user_namespaces: UserNamespaces, orders: OrdersFile, runs: OrderRuns
    ) -> None:
        self._settings = settings
        self._user_namespaces = user_namespaces
        self._orders = orders
        self._runs = runs
        self._told = ""

    async def claim_namespace(self, username: str) -> str:
        return await self._user_namespaces.claim(username)

    async def release_namespace(self, username: str, uid: str, *, purge: bool = False, foreign: bool = False) -> None:
        await self._user_namespaces.release(username, uid, purge=purge, foreign=foreign)

    async def provision(self, user: User, order: Order) -> None:
        try:
            check_ids(user, self._settings.users)
        except ForbiddenError as error:
            raise BrokerRefusedError(error.message) from None
        orders = self._read()
        if orders.containers(order):
            await self._user_namespaces.refuse_collision(user.username)
            await self._runs.run(user, order, orders)

    def namespace_hash(self) -> str:
        return namespace_hash(self._settings.broker)

    def order_hash(self, order: Order) -> str:
        return self._read().hash(order)

    def _read(self) -> Orders:
        try:
            return self._orders.read()
        except SettingsError as error:  # its sentence may quote the file, which is for the log alone
            if error.message != self._told:
                self._told = error.message
                structlog.get_logger("spawnpenny.broker").error("the orders cannot be read", error=error.message)
            message = "The site's orders cannot be read. An administrator finds the cause in the broker's log."
            raise ProvisionError(message) from None


@asynccontextmanager
async def run_local_broker(
    cluster: Cluster, settings: Settings, *, supervisor: Supervisor | None = None
) -> AsyncIterator[LocalBroker]:
    """Run a broker until the context ends.

    Orders that are under way then go on in the cluster, and are taken up at the next start.

    Raises:
        SettingsError: The orders file cannot be read, or is not valid.

    """
    orders = OrdersFile(settings.broker.orders)
    orders.read()
    namespaces, pods = watched(cluster, settings)
    part = (supervisor or Supervisor()).part()
    runs = OrderRuns(cluster, settings, pods, part.faults)
    part.supervise("broker namespaces informer", namespaces.run)
    part.supervise("broker pods informer", pods.run)
    part.supervise("order adoption", runs.resume, finite=True)
    try:
        yield LocalBroker(settings, UserNamespaces(cluster, settings, namespaces), orders, runs)
    finally:
        await part.close()
        await runs.close()


def watched(cluster: Cluster, settings: Settings) -> tuple[Informer, Informer]:
    """Return what a broker watches: user namespaces, and the pods of orders."""
    mine = labels.ours(settings.installation)
    return (
        Informer(cluster, resource_of("Namespace"), labels=mine),
        Informer(cluster, resource_of("Pod"), labels=mine, namespace=settings.namespaces.provision),
    )

"""The broker within a process: it does the work itself.

The service uses it if no separate broker is set, and always on one machine. In a broker process, ``broker.server``
uses it to carry out the requests of services.
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
    """Broker that makes user namespaces and runs orders itself. ``run_local_broker`` opens one."""

    def __init__(
        self, settings: Settings, user_namespaces: UserNamespaces, orders: OrdersFile, runs: OrderRuns
    ) -> None:
        self._settings = settings
        self._user_namespaces = user_namespaces
        self._orders = orders
        self._runs = runs
        self._logged = ""

    async def claim_namespace(self, username: str) -> str:
        return await self._user_namespaces.ensure(username)

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
        except SettingsError as error:  # its message may quote the file: it is only for the log
            if error.message != self._logged:
                self._logged = error.message
                structlog.get_logger("spawnpenny.broker").error("the orders cannot be read", error=error.message)
            message = "The site's orders cannot be read. An administrator finds the cause in the broker's log."
            raise ProvisionError(message) from None


@asynccontextmanager
async def run_local_broker(
    cluster: Cluster, settings: Settings, *, supervisor: Supervisor | None = None
) -> AsyncIterator[LocalBroker]:
    """Run a broker until the context ends.

    Orders that are running then go on in the cluster. The next start adopts them.

    Raises:
        SettingsError: The orders file cannot be read, or is not valid.

    """
    orders = OrdersFile(settings.broker.orders)
    orders.read()
    namespaces, pods = broker_informers(cluster, settings)
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


def broker_informers(cluster: Cluster, settings: Settings) -> tuple[Informer, Informer]:
    """Return the informers of a broker: user namespaces, and the pods of orders."""
    mine = labels.ours(settings.installation)
    return (
        Informer(cluster, resource_of("Namespace"), labels=mine),
        Informer(cluster, resource_of("Pod"), labels=mine, namespace=settings.namespaces.provision),
    )

"""The broker's status: hashes of its settings, in a ConfigMap of the state namespace.

The service creates the ConfigMap, empty. The broker, which may create nothing there, patches it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import structlog

from spawnpenny.domain import labels
from spawnpenny.errors import ProvisionError
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from spawnpenny.broker.orders import Order
    from spawnpenny.domain.broker import Broker
    from spawnpenny.kubernetes.informer import Informer
    from spawnpenny.settings.model import Settings

NAME: Final = "broker-status"
KIND: Final = "status"
_PAUSE: Final = 3.0
"""Seconds between two checks of the orders file."""


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """Hashes of the settings for namespaces and of each order; empty for an order without containers."""

    namespace: str
    commission: str
    retire: str

    @classmethod
    def of(cls, broker: Broker) -> Self:
        """Return the status of a broker."""
        return cls(broker.namespace_hash(), broker.order_hash("commission"), broker.order_hash("retire"))

    @classmethod
    def read(cls, manifest: Manifest | None) -> Self | None:
        """Return the status in a ConfigMap, or None if it has none yet."""
        data = (manifest or {}).get("data") or {}
        try:
            return cls(data["namespace"], data["commission"], data["retire"])
        except KeyError:
            return None

    def order(self, order: Order) -> str:
        return self.commission if order == "commission" else self.retire

    def patch(self) -> Manifest:
        """Return the patch that writes this status."""
        return {"data": {"namespace": self.namespace, "commission": self.commission, "retire": self.retire}}


def empty_status(namespace: str, installation: str) -> Manifest:
    """Return the ConfigMap as the service creates it."""
    own_labels = {**labels.ours(installation), labels.KIND: KIND}
    metadata = {"name": NAME, "namespace": namespace, "labels": own_labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def status_ref(namespace: str) -> Ref:
    """Return the reference to the ConfigMap."""
    return Ref(resource_of("ConfigMap"), NAME, namespace)


class StatusPublisher:
    """Publisher of the broker's status, which follows its settings and orders."""

    def __init__(self, cluster: Cluster, settings: Settings, maps: Informer, broker: Broker) -> None:
        self._cluster = cluster
        self._ref = status_ref(settings.namespaces.state)
        self._maps = maps
        self._broker = broker
        self._log = structlog.get_logger("spawnpenny.broker")

    async def run(self) -> None:
        """Publish until cancelled: when a service creates the ConfigMap, when it changes, and when the orders do."""
        await self._maps.synced.wait()
        while True:
            await self.publish()
            await self._wait_for_change()

    async def publish(self) -> None:
        """Write the present status if the published one differs."""
        try:
            desired = BrokerStatus.of(self._broker)
        except ProvisionError:
            return  # the orders cannot be read, and the log says so: the last status stays
        existing = self._maps.get(self._ref.namespace, self._ref.name)
        if existing is None or BrokerStatus.read(existing) == desired:
            return
        try:
            await self._cluster.patch(self._ref, desired.patch())
        except ClusterError as error:
            self._log.warning("the broker's status cannot be published", error=error.message)

    async def _wait_for_change(self) -> None:
        """Return when the ConfigMap changes, or after a pause, as the orders may have changed."""
        present = self._maps.get(self._ref.namespace, self._ref.name)
        try:
            async with asyncio.timeout(_PAUSE):
                await self._maps.wait_for(self._ref.namespace, self._ref.name, lambda existing: existing is not present)
        except TimeoutError:
            return

"""The broker's status: hashes of its settings, in a ConfigMap of the state namespace.

The service creates it, empty; the broker, which may create nothing there, writes on it.
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
"""Seconds between two looks at the orders file."""


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """Hashes of the way in which namespaces are made, and of each order; empty for an order without work."""

    namespace: str
    commission: str
    retire: str

    @classmethod
    def of(cls, broker: Broker) -> Self:
        """Return what a broker has to say."""
        return cls(broker.namespace_hash(), broker.order_hash("commission"), broker.order_hash("retire"))

    @classmethod
    def read(cls, manifest: Manifest | None) -> Self | None:
        """Return what the ConfigMap says, or None where it says nothing yet."""
        data = (manifest or {}).get("data") or {}
        try:
            return cls(data["namespace"], data["commission"], data["retire"])
        except KeyError:
            return None

    def order(self, order: Order) -> str:
        return self.commission if order == "commission" else self.retire

    def patch(self) -> Manifest:
        """Return the patch that writes this."""
        return {"data": {"namespace": self.namespace, "commission": self.commission, "retire": self.retire}}


def empty_status(namespace: str, installation: str) -> Manifest:
    """Return the ConfigMap as the service creates it."""
    marks = {**labels.ours(installation), labels.KIND: KIND}
    metadata = {"name": NAME, "namespace": namespace, "labels": marks}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def status_ref(namespace: str) -> Ref:
    """Refer to it."""
    return Ref(resource_of("ConfigMap"), NAME, namespace)


class StatusPublisher:
    """Keeps the board as the broker's settings and orders are."""

    def __init__(self, cluster: Cluster, settings: Settings, maps: Informer, broker: Broker) -> None:
        self._cluster = cluster
        self._ref = status_ref(settings.namespaces.state)
        self._maps = maps
        self._broker = broker
        self._log = structlog.get_logger("spawnpenny.broker")

    async def run(self) -> None:
        """Keep it until cancelled: when a service made it, when it was changed, and when the orders were."""
        await self._maps.synced.wait()
        while True:
            await self.post()
            await self._changed()

    async def post(self) -> None:
        """Write what holds now, where the board says something else."""
        try:
            desired = BrokerStatus.of(self._broker)
        except ProvisionError:
            return  # the orders cannot be read, as the log says: what was there last stands
        existing = self._maps.get(self._ref.namespace, self._ref.name)
        if existing is None or BrokerStatus.read(existing) == desired:
            return
        try:
            await self._cluster.patch(self._ref, desired.patch())
        except ClusterError as error:
            self._log.warning("the board cannot be written", error=error.message)

    async def _changed(self) -> None:
        """Return when the board has, or it is time to look at the orders again."""
        present = self._maps.get(self._ref.namespace, self._ref.name)
        try:
            async with asyncio.timeout(_PAUSE):
                await self._maps.wait_for(self._ref.namespace, self._ref.name, lambda existing: existing is not present)
        except TimeoutError:
            return

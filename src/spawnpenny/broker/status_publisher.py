"""Publish the broker's status while this broker leads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from spawnpenny.broker.status import BrokerStatus, status_ref
from spawnpenny.domain.broker import Broker
from spawnpenny.errors import ClusterError, ProvisionError
from spawnpenny.kubernetes.interface import Cluster
from spawnpenny.settings.model import Settings

if TYPE_CHECKING:
    from spawnpenny.kubernetes.informer import Informer

_EVERY: Final = 3.0
"""Seconds between two looks at the orders file."""


class Notice:
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
            async with asyncio.timeout(_EVERY):
                await self._maps.wait_for(self._ref.namespace, self._ref.name, lambda existing: existing is not present)
        except TimeoutError:
            return

"""Metrics of requests to the broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram

from spawnpenny.errors import SpawnpennyError

if TYPE_CHECKING:
    from spawnpenny.domain.broker import Broker
    from spawnpenny.domain.users import User

T = TypeVar("T")
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class BrokerMetrics:
    """Counts broker requests by verb: ``claim``, ``release``, ``provision``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "spawnpenny_broker_claims",
            "Broker requests that were answered or given up.",
            ("verb", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "spawnpenny_broker_claim_seconds",
            "Time until the broker answered; for a provisioning, until the site's order was done.",
            ("verb",),
            buckets=_BUCKETS,
            registry=registry,
        )

    async def counted(self, verb: str, request: Awaitable[T]) -> T:
        """Return the result of a broker request, and count it."""
        started, outcome = time.monotonic(), "internal_error"
        try:
            answer = await request
        except SpawnpennyError as error:
            outcome = error.code
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        else:
            outcome = "ok"
            return answer
        finally:
            self._requests.labels(verb, outcome).inc()
            self._seconds.labels(verb).observe(time.monotonic() - started)


class CountedBroker:
    """A broker whose requests are counted."""

    def __init__(self, broker: Broker, metrics: BrokerMetrics) -> None:
        self._broker = broker
        self._metrics = metrics

    async def claim_namespace(self, username: str) -> str:
        return await self._metrics.counted("claim", self._broker.claim_namespace(username))

    async def release_namespace(self, username: str, uid: str, *, purge: bool = False, foreign: bool = False) -> None:
        await self._metrics.counted(
            "release", self._broker.release_namespace(username, uid, purge=purge, foreign=foreign)
        )

    async def provision(self, user: User, order: Literal["commission", "retire"]) -> None:
        await self._metrics.counted("provision", self._broker.provision(user, order))

    def namespace_hash(self) -> str:
        return self._broker.namespace_hash()

    def order_hash(self, order: Literal["commission", "retire"]) -> str:
        return self._broker.order_hash(order)

"""Leader election among brokers: the leader holds the Lease, and knows that it still does.

A Lease is taken and renewed by compare-and-set. Another broker takes it when its holder gives it up, or has not renewed
it for its whole duration. The other broker measures that time by its own clock, from the last change that it saw: no
two clocks are compared.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from spawnpenny.aio.settle import settle
from spawnpenny.domain import labels
from spawnpenny.kubernetes.errors import AlreadyExistsError, ClusterError, ConflictError, NotFoundError
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.replicas.replica import Replica
from spawnpenny.settings.model import Settings

if TYPE_CHECKING:
    from spawnpenny.kubernetes.informer import Informer

PERMISSIONS: Final[Declared] = {"broker": (allow("get", "list", "watch", "create", "update", on="leases"),)}

_RENEWALS: Final = 3
"""Renewals of a Lease within its duration."""
_SAFE: Final = 0.8
"""The share of the duration for which a leader trusts a renewal. The rest is for ending its work."""


class Election:
    """One broker in the election. ``leases`` is the informer of the Lease."""

    def __init__(self, cluster: Cluster, settings: Settings, leases: Informer) -> None:
        self._leading = asyncio.Event()
        self._cluster = cluster
        self._leases = leases
        self._seconds = settings.broker.lease
        self._installation = settings.installation
        self._ref = lease_ref(settings)
        self._me = Replica.of(settings).identity
        self._lease: Manifest | None = None
        self._until = -math.inf
        self._log = structlog.get_logger("spawnpenny.broker").bind(broker=self._me)

    @property
    def leading(self) -> bool:
        return self._leading.is_set()

    async def until_leading(self) -> None:
        """Return when this broker leads."""
        await self._leading.wait()

    def left(self) -> float:
        """Return for how many more seconds this broker surely leads; 0 or less if it does not lead."""
        return self._until - _now()

    async def run(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Take part until cancelled; run ``lead`` while this broker leads, and cancel it when it may not any more."""
        await self._leases.synced.wait()
        try:
            while True:
                if await self._take(await self._wait_until_free()):
                    await self._lead(lead)
                else:
                    await asyncio.sleep(self._seconds / 10)
        finally:
            await self._give_up()

    async def _wait_until_free(self) -> Manifest | None:
        """Return the Lease once it can be taken; None if it does not exist."""
        namespace, name = self._ref.namespace, self._ref.name
        seen = self._leases.get(namespace, name)
        while seen is not None and _holder(seen):
            version = _version(seen)
            try:
                async with asyncio.timeout(max(self._seconds, _duration(seen))):
                    seen = await self._leases.wait_for(
                        namespace,
                        name,
                        lambda lease, v=version: lease is None or _version(lease) != v,  # type: ignore[misc]
                    )
            except TimeoutError:
                break
        return seen

    async def _take(self, free: Manifest | None) -> bool:
        sent = _now()
        try:
            if free is None:
                self._lease = await self._cluster.create(self._manifest())
            else:
                self._lease = await self._cluster.replace(self._manifest(free))
        except (AlreadyExistsError, ConflictError):
            if not await self._is_mine_after_all():
                return False
        except ClusterError as error:
            self._log.warning("the lease cannot be taken", error=error.message)
            return False
        self._until = sent + self._seconds * _SAFE
        return self.left() > 0

    async def _is_mine_after_all(self) -> bool:
        """Return whether a refused call had arrived before, and only its answer was lost."""
        try:
            existing = await self._cluster.read(self._ref)
        except ClusterError:
            return False
        if existing is None or _holder(existing) != self._me:
            return False
        self._lease = existing
        return True

    async def _lead(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._leading.set()
        self._log.info("leading")
        task = asyncio.create_task(lead())
        try:
            while not task.done() and await self._renew():
                await asyncio.wait({task}, timeout=self._seconds / _RENEWALS)
        finally:
            self._leading.clear()
            task.cancel()
            await settle({task})
            self._log.info("not leading any more")
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("leading failed", exc_info=error)
            await self._give_up()
            await asyncio.sleep(self._seconds)

    async def _renew(self) -> bool:
        """Renew the Lease; return False if another broker has it, or no answer came before it may run out."""
        try:
            async with asyncio.timeout(self.left()):
                while True:
                    sent = _now()
                    try:
                        self._lease = await self._cluster.replace(self._manifest(self._lease))
                    except (ConflictError, NotFoundError):
                        if not await self._is_mine_after_all():
                            self._lease, self._until = None, -math.inf
                            return False
                    except ClusterError as error:
                        self._log.warning("the lease cannot be renewed yet", error=error.message)
                        await asyncio.sleep(self._seconds / 10)
                    else:
                        self._until = sent + self._seconds * _SAFE
                        return True
        except TimeoutError:
            return False

    async def _give_up(self) -> None:
        """Give the Lease up, so that another broker takes over at once."""
        lease, left, self._lease, self._until = self._lease, self.left(), None, -math.inf
        if lease is None or left <= 0:
            return
        try:
            async with asyncio.timeout(left):
                await self._cluster.replace(self._manifest(lease, given_up=True))
        except (ClusterError, TimeoutError) as error:
            self._log.warning("the lease could not be given up", error=str(error))

    def _manifest(self, before: Manifest | None = None, *, given_up: bool = False) -> Manifest:
        """Return the Lease as this broker holds it, or as it gives it up."""
        spec = before["spec"] if before is not None else {}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = before is not None and _holder(before) == self._me
        metadata: Manifest = {
            "name": self._ref.name,
            "namespace": self._ref.namespace,
            "labels": {**labels.ours(self._installation), labels.KIND: "broker"},
        }
        if before is not None:
            metadata["resourceVersion"] = _version(before)
        desired = {
            "holderIdentity": None if given_up else self._me,
            "leaseDurationSeconds": max(1, math.ceil(self._seconds)),
            "acquireTime": spec.get("acquireTime", now) if same else now,
            "renewTime": now,
            "leaseTransitions": spec.get("leaseTransitions", 0) + (0 if same or before is None else 1),
        }
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {key: value for key, value in desired.items() if value is not None},
        }


def lease_ref(settings: Settings) -> Ref:
    """Return the reference to the Lease that the leading broker holds."""
    return Ref(resource_of("Lease"), f"broker-{settings.installation}", settings.namespaces.broker)


def _holder(lease: Manifest) -> str:
    return (lease.get("spec") or {}).get("holderIdentity") or ""


def _duration(lease: Manifest) -> float:
    """Return the Lease's duration in seconds: its holder's settings may differ from ours."""
    return float((lease.get("spec") or {}).get("leaseDurationSeconds") or 0)


def _version(lease: Manifest) -> str:
    version: str = lease["metadata"]["resourceVersion"]
    return version


def _now() -> float:
    return asyncio.get_running_loop().time()

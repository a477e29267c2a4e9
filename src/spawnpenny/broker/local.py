"""The broker inside the service's own process.

It is for one machine, and for a service that runs without a broker of its own account.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from spawnpenny.broker.namespaces import tenant_binding, user_namespace
from spawnpenny.broker.orders import Order, OrdersFile
from spawnpenny.broker.runs import OrderRuns
from spawnpenny.cluster.gone import until_gone
from spawnpenny.cluster.informer import Informer
from spawnpenny.cluster.kinds import resource_of
from spawnpenny.cluster.permissions import Declared, allow
from spawnpenny.cluster.port import Cluster, Manifest, Ref
from spawnpenny.domain import labels
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.users import User
from spawnpenny.errors import (
    AlreadyExistsError,
    NameCollisionError,
    NotFoundError,
    NotOursError,
    ProvisionError,
    TerminatingError,
    VolumesKeptError,
)
from spawnpenny.pipeline.port import content_hash
from spawnpenny.pipeline.settle import settle
from spawnpenny.settings import Settings

_TRIES: Final = 5
PERMISSIONS: Final[Declared] = {
    "cluster": (
        allow("get", "list", "watch", "create", "delete", on="namespaces"),
        allow("create", on="rolebindings"),
        allow("bind", on="clusterroles"),
        allow("list", on="persistentvolumeclaims"),
    ),
}


class LocalBroker:
    """Makes user namespaces and runs orders. Use it by ``run_local_broker``."""

    def __init__(self, cluster: Cluster, settings: Settings, namespaces: Informer, runs: OrderRuns) -> None:
        self._cluster = cluster
        self._settings = settings
        self._namespaces = namespaces
        self._runs = runs

    async def claim_namespace(self, username: str) -> str:
        name = f"{self._settings.namespaces.prefix}{safe_slug(username)}"
        for _ in range(_TRIES):
            try:
                namespace = await self._ensure_namespace(username, name)
                await self._ensure_binding(name)
            except (NotFoundError, TerminatingError):
                await self._until_gone(name)  # it is being deleted: wait for this one to go, then make a new one
            else:
                uid: str = namespace["metadata"]["uid"]
                return uid
        raise ProvisionError(f"The namespace {name} is deleted again and again while it is being made.")

    async def release_namespace(self, username: str, uid: str) -> None:
        name = f"{self._settings.namespaces.prefix}{safe_slug(username)}"
        there = await self._cluster.read(Ref(resource_of("Namespace"), name))
        if there is None:
            return
        _refuse_foreign(there, username, self._settings.installation)
        claims = await self._cluster.list(resource_of("PersistentVolumeClaim"), namespace=name)
        if claims.items:
            raise VolumesKeptError(name)
        await self._cluster.delete(Ref(resource_of("Namespace"), name), uid=uid)

    async def provision(self, user: User, order: Order) -> None:
        await self._runs.run(user, order)

    def namespace_hash(self) -> str:
        broker = self._settings.broker
        return content_hash([broker.role, broker.account, broker.account_namespace, broker.pod_security])

    def order_hash(self, order: Order) -> str:
        return self._runs.orders.read().hash(order)

    async def _ensure_namespace(self, username: str, name: str) -> Manifest:
        wanted = user_namespace(username, name, installation=self._settings.installation, broker=self._settings.broker)
        try:
            return await self._cluster.create(wanted)
        except AlreadyExistsError:
            there = await self._cluster.read(Ref.of(wanted))
        if there is None or "deletionTimestamp" in there["metadata"]:
            raise NotFoundError(f"The namespace {name} is being deleted.") from None
        _refuse_foreign(there, username, self._settings.installation)
        wanted_labels = wanted["metadata"]["labels"]
        if all(there["metadata"]["labels"].get(key) == value for key, value in wanted_labels.items()):
            return there
        return await self._cluster.patch(Ref.of(wanted), {"metadata": {"labels": wanted_labels}})

    async def _ensure_binding(self, namespace: str) -> None:
        binding = tenant_binding(namespace, installation=self._settings.installation, broker=self._settings.broker)
        with suppress(AlreadyExistsError):
            await self._cluster.create(binding)

    async def _until_gone(self, name: str) -> None:
        ref = Ref(resource_of("Namespace"), name)
        there = await self._cluster.read(ref)
        if there is not None and "deletionTimestamp" in there["metadata"]:
            await until_gone(self._cluster, self._namespaces, ref, there["metadata"]["uid"])


def _refuse_foreign(namespace: Manifest, username: str, installation: str) -> None:
    metadata = namespace["metadata"]
    carried = metadata.get("labels", {})
    if any(carried.get(key) != value for key, value in labels.ours(installation).items()):
        raise NotOursError(f"The namespace {metadata['name']}")
    if metadata.get("annotations", {}).get(labels.USERNAME) != username:
        raise NameCollisionError(username, metadata["name"])


@asynccontextmanager
async def run_local_broker(cluster: Cluster, settings: Settings) -> AsyncIterator[LocalBroker]:
    """Run a broker until the context ends.

    Orders that are under way then go on in the cluster, and are taken up at the next start.

    Raises:
        SettingsError: The orders file cannot be read, or is not valid.

    """
    mine = labels.ours(settings.installation)
    orders = OrdersFile(settings.broker.orders)
    orders.read()
    namespaces = Informer(cluster, resource_of("Namespace"), labels=mine)
    pods = Informer(cluster, resource_of("Pod"), labels=mine, namespace=settings.namespaces.provision)
    runs = OrderRuns(cluster, settings, orders, pods)
    tasks = [asyncio.create_task(work) for work in (namespaces.run(), pods.run(), runs.resume())]
    for task in tasks:
        task.add_done_callback(_tell_failure)
    try:
        yield LocalBroker(cluster, settings, namespaces, runs)
    finally:
        for task in tasks:
            task.cancel()
        await settle(tasks)
        await runs.close()


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        structlog.get_logger("spawnpenny.broker").error("a task of the broker failed", exc_info=error)

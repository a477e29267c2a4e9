"""Runs of the site's orders: one at a time for a user, each to its end even if nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog

from spawnpenny.aio.faults import Faults
from spawnpenny.aio.settle import settle
from spawnpenny.broker.orders import (
    Order,
    Orders,
    dossier_map,
    order_metadata,
    order_name,
    order_pod,
    run_hash,
)
from spawnpenny.domain import labels
from spawnpenny.domain.users import User
from spawnpenny.errors import ProvisionError, SpawnError, SpawnpennyError
from spawnpenny.kubernetes.deletion import until_gone
from spawnpenny.kubernetes.errors import AlreadyExistsError
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.kubernetes.pods.wait import Listener, PodWatch
from spawnpenny.settings.model import Settings

if TYPE_CHECKING:
    from spawnpenny.kubernetes.object_cache import Watched

_OF_SECRETS: Final = frozenset({"secretKeyRef", "secretRef", "secret", "csi"})
PERMISSIONS: Final[Declared] = {
    "provision": (
        allow("get", "list", "watch", "create", "delete", on="pods"),
        allow("create", "patch", "delete", on="configmaps"),
    ),
}


class OrderRuns:
    """Runs of orders in the provisioning namespace; the pod and ConfigMap of a run are deleted when it has ended.

    A caller that is cancelled does not end the run, as that would leave a half-made home directory. ``resume`` adopts
    the runs of an earlier process.
    """

    def __init__(self, cluster: Cluster, settings: Settings, pods: Watched, faults: Faults | None = None) -> None:
        self._cluster = cluster
        self._settings = settings
        self._pods = pods
        self._faults = faults or Faults()
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}

    async def run(self, user: User, order: Order, orders: Orders) -> None:
        """Run an order for a user; return when it has succeeded.

        The runs of one user follow each other. A call joins a run of the same order with the same content.

        Raises:
            ProvisionError: A container failed; the message says which and how.

        """
        name, content = order_name(user, order), run_hash(user, order, orders)
        while (other := self._conflicting(user, name, content)) is not None:
            await settle({other})
        current = self._current(name)
        if current is None:
            metadata = order_metadata(
                user,
                content,
                namespace=self._settings.namespaces.provision,
                installation=self._settings.installation,
            )
            seconds = int(self._settings.deadlines.spawn)
            objects = (
                dossier_map(user, order, metadata),
                order_pod(user, order, orders, metadata, seconds=seconds),
            )
            current = self._start(name, content, self._carry_out(*objects))
        await asyncio.shield(current[1])

    async def resume(self) -> None:
        """Adopt the orders whose pods exist already."""
        await self._pods.synced.wait()
        for pod in self._pods.items():
            with self._faults.isolated("pod", pod["metadata"]["name"]):
                self._resume(pod)

    def _resume(self, pod: Manifest) -> None:
        name, content = pod["metadata"]["name"], _hash_of(pod)
        is_order = pod["metadata"].get("labels", {}).get(labels.KIND) == "order"
        if is_order and content is not None and name not in self._running:
            self._start(name, content, self._finish(pod))

    async def close(self) -> None:
        """Stop waiting; the pods go on in the cluster."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await settle(tasks)

    def _conflicting(self, user: User, name: str, content: str) -> asyncio.Task[None] | None:
        """Return a run of the same user that has to end first: of the other order, or with other content."""
        orders: tuple[Order, Order] = ("commission", "retire")
        for other in (order_name(user, order) for order in orders):
            existing = self._current(other)
            if existing is not None and (other, existing[0]) != (name, content):
                return existing[1]
        return None

    def _current(self, name: str) -> tuple[str, asyncio.Task[None]] | None:
        existing = self._running.get(name)
        return existing if existing is not None and not existing[1].done() else None

    def _start(self, name: str, content: str, work: Coroutine[Any, Any, None]) -> tuple[str, asyncio.Task[None]]:
        task = asyncio.create_task(work)
        self._running[name] = (content, task)
        task.add_done_callback(lambda task: self._ended(name, task))
        return content, task

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._running.get(name, ("", None))[1] is task:
            del self._running[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            log = structlog.get_logger("spawnpenny.broker")
            log.warning("an order failed", order=name, error=str(error))

    async def _carry_out(self, dossier: Manifest, pod: Manifest) -> None:
        try:
            await self._cluster.create(dossier)
        except AlreadyExistsError:
            await self._cluster.patch(Ref.of(dossier), {"metadata": dossier["metadata"], "data": dossier["data"]})
        try:
            created = await self._create(pod)
        except SpawnpennyError:
            await self._cluster.delete(Ref.of(dossier))
            raise
        await self._finish(created)

    async def _create(self, pod: Manifest) -> Manifest:
        try:
            return await self._cluster.create(pod)
        except AlreadyExistsError:
            existing = await self._cluster.read(Ref.of(pod))
        if (
            existing is not None
            and _hash_of(existing) == _hash_of(pod)
            and "deletionTimestamp" not in existing["metadata"]
        ):
            return existing
        if existing is not None:
            await self._delete(existing)
        return await self._cluster.create(pod)

    async def _finish(self, pod: Manifest) -> None:
        # The output of a program may have a secret that is not known here: the broker may not read Secrets.
        listener = Listener(quote=_nothing) if _prints_secrets(pod["spec"]) else None
        watch = PodWatch(self._cluster, self._pods, Ref.of(pod), pod["metadata"]["uid"], listener)
        try:
            async with asyncio.timeout(self._settings.deadlines.spawn):
                await watch.succeeded()
        except TimeoutError:
            error: SpawnpennyError = ProvisionError("The provisioning took too long and was stopped.")
        except SpawnError as failure:
            error = ProvisionError(f"The provisioning failed. {failure.message}")
        else:
            await self._delete_run(pod)
            return
        await self._delete_run(pod)
        raise error

    async def _delete_run(self, pod: Manifest) -> None:
        await self._delete(pod)
        metadata = pod["metadata"]
        await self._cluster.delete(Ref(resource_of("ConfigMap"), metadata["name"], metadata["namespace"]))

    async def _delete(self, pod: Manifest) -> None:
        uid = pod["metadata"]["uid"]
        await self._cluster.delete(Ref.of(pod), uid=uid)
        await until_gone(self._cluster, self._pods, Ref.of(pod), uid)


def _hash_of(pod: Manifest) -> str | None:
    content: str | None = pod["metadata"].get("annotations", {}).get(labels.HASH)
    return content


def _prints_secrets(spec: Manifest) -> bool:
    """Return whether a pod reads Secrets while the cluster keeps what it prints."""
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    has_output = any(container.get("terminationMessagePolicy") == "FallbackToLogsOnError" for container in containers)
    return has_output and _has_key(spec, _OF_SECRETS)


def _has_key(value: object, keys: frozenset[str]) -> bool:
    if isinstance(value, Mapping):
        return any(key in keys or _has_key(inner, keys) for key, inner in value.items())
    return isinstance(value, list) and any(_has_key(inner, keys) for inner in value)


def _nothing(_: str) -> str:
    return ""

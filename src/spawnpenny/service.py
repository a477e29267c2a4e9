"""Composition of the service: its informers, its users and its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from spawnpenny.aio.faults import Faults
from spawnpenny.aio.notify import Bell
from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.aio.tasks import Tasks
from spawnpenny.auth.lab_tokens import LabTokens
from spawnpenny.domain import labels
from spawnpenny.domain.broker import Broker
from spawnpenny.kubernetes.interface import Cluster
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.kubernetes.service_informers import watch_namespaces, watch_pods
from spawnpenny.pipeline.pod_openings import check_openings
from spawnpenny.plugin.manager import Plugins
from spawnpenny.replicas.fence import FencedBroker, FencedCluster
from spawnpenny.replicas.fence_watch import FenceWatch
from spawnpenny.replicas.membership import Membership
from spawnpenny.settings.model import Settings
from spawnpenny.spawns.adoption import Adoption
from spawnpenny.spawns.container_limits import verify_steps
from spawnpenny.spawns.maintenance.scheduler import Maintenance
from spawnpenny.spawns.never_fits import never_fits
from spawnpenny.spawns.pod_watcher import PodWatcher
from spawnpenny.spawns.service import Spawns
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.store import RecordStore
from spawnpenny.spawns.user_registry import UserRegistry

PERMISSIONS: Final[Declared] = {
    "cluster": (allow("list", "watch", on="namespaces"), allow("list", "watch", on="pods")),
    "tenant": (allow("get", on="pods"),),
}


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, with its ``spawns`` and ``plugins``.

    Attributes:
        membership: Its place among the replicas.
        supervisor: The supervisor of its tasks.
        fence_watch: Reports when the write fence has been closed for long.
        moved: A bell that rings when users were adopted from, or left to, other replicas.

    """

    settings: Settings
    plugins: Plugins
    spawns: Spawns
    service_context: ServiceContext
    membership: Membership
    maintenance: Maintenance
    lab_tokens: LabTokens
    supervisor: Supervisor
    fence_watch: FenceWatch
    moved: Bell = field(default_factory=Bell)
    _adopted: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_ready(self) -> None:
        """Return once the users found in the cluster are adopted."""
        await self._adopted.wait()

    def set_ready(self) -> None:
        """Answer requests from now on: the users found in the cluster are adopted."""
        self.spawns.ready = True
        self._adopted.set()


@asynccontextmanager
async def run_service(
    settings: Settings, plugins: Plugins, cluster: Cluster, broker: Broker, *, supervisor: Supervisor | None = None
) -> AsyncIterator[Service]:
    """Run the service until the context ends.

    It answers ``not_ready`` until it has adopted the users that it finds in the cluster. At the end all work stays as
    it is: another replica, or the next service, goes on with it. ``supervisor`` runs its tasks until then.
    """
    check_openings(settings.pods.allow)
    verify_steps(settings, plugins)
    for sentence in never_fits(settings, plugins):
        structlog.get_logger("spawnpenny.service").warning("defaults do not fit their limits", reason=sentence)
    tasks, user_registry, supervisor = Tasks(), UserRegistry(), supervisor or Supervisor()
    faults = supervisor.faults

    async def consider_all() -> None:
        await adoption.consider_all()
        service.moved.ring()

    def changed() -> None:
        tasks.run(consider_all())

    async def catch_up() -> None:
        await adoption.catch_up(cluster)

    membership = Membership(settings, cluster, changed=changed, catch_up=catch_up, faults=faults)
    service_context = _service_context(settings, plugins, cluster, broker, membership, faults)
    adoption = Adoption(service_context, user_registry, tasks)
    maintenance = Maintenance(service_context, user_registry, plugins.steps, adoption.record_again)
    spawns, lab_tokens = (
        Spawns(service_context, user_registry, tasks),
        LabTokens(service_context.pods, settings.installation, plugins.kinds.with_lab_token),
    )

    def silence() -> float:
        return min(service_context.pods.staleness(), membership.records.staleness(), membership.leases.staleness())

    fence_watch = FenceWatch(membership.heartbeat.fence, silence, settings.replicas.lease, supervisor.restarts)
    service = Service(
        settings, plugins, spawns, service_context, membership, maintenance, lab_tokens, supervisor, fence_watch
    )
    async with _tasks(service, adoption, tasks):
        yield service


@asynccontextmanager
async def _tasks(service: Service, adoption: Adoption, tasks: Tasks) -> AsyncIterator[None]:
    """Run the tasks of a service until the context ends."""
    service_context, part = service.service_context, service.supervisor.part()
    part.supervise("pods informer", service_context.pods.run)
    part.supervise("namespaces informer", service_context.namespaces.run)
    part.supervise("start-up", lambda: _start(service, adoption, part, tasks), finite=True)
    try:
        yield
    finally:
        service.spawns.ready = False
        await part.close()
        await tasks.close()
        await service.membership.heartbeat.end()


def _service_context(
    settings: Settings, plugins: Plugins, cluster: Cluster, broker: Broker, membership: Membership, faults: Faults
) -> ServiceContext:
    mine = labels.ours(settings.installation)
    namespaces = watch_namespaces(cluster, mine)
    fence, me = membership.heartbeat.fence, membership.me.identity
    records = FencedCluster(cluster, fence, late=True)
    return ServiceContext(
        settings=settings,
        cluster=FencedCluster(cluster, fence),
        pods=watch_pods(cluster, namespaces, mine, settings.namespaces.reads, faults),
        namespaces=namespaces,
        ownership=membership.ownership,
        broker=FencedBroker(broker, fence),
        store=RecordStore(records, settings.namespaces.state, settings.installation, me),
        plugins=plugins,
        faults=faults,
    )


async def _start(service: Service, adoption: Adoption, supervisor: Supervisor, tasks: Tasks) -> None:
    """Join the replicas, then adopt the users. After a failure it goes on where it was."""
    service_context, membership, user_registry = service.service_context, service.membership, adoption.user_registry
    await membership.begin()
    membership.supervise(supervisor)
    await membership.known()
    await service_context.pods.synced.wait()
    await service_context.namespaces.synced.wait()
    supervisor.supervise("fence", service.fence_watch.run)
    supervisor.supervise("pod watcher", PodWatcher(service_context, user_registry, tasks).run)
    service.maintenance.supervise(supervisor)

    def adopted() -> None:
        service.set_ready()
        users = sum(1 for _ in user_registry)
        structlog.get_logger("spawnpenny.service").info("ready", users=users, replica=membership.me.identity)

    supervisor.supervise("adoption", lambda: adoption.run(adopted))

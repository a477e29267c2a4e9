"""Dependencies shared by every spawn: cluster, informers, store, plugins, settings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spawnpenny.aio.faults import Faults
from spawnpenny.domain.broker import Broker
from spawnpenny.pipeline.extensions import Extensions
from spawnpenny.replicas.ownership import Ownership
from spawnpenny.settings.model import Settings
from spawnpenny.spawns.start_queue import StartQueue
from spawnpenny.spawns.store import RecordStore

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Cluster
    from spawnpenny.kubernetes.object_cache import Watched


MAX_FOLLOWED_PODS: Final = 50
"""The number of slow pods whose events are listed and watched at once. Others wait for their turn."""


@dataclass(frozen=True)
class ServiceContext:
    """The cluster, its informers, the ownership of users, the broker, the store, plugins and settings.

    ``followed_pods`` limits the pods whose events are followed at once. ``faults`` counts the records, pods and users
    that could not be handled.
    """

    settings: Settings
    cluster: Cluster
    pods: Watched
    namespaces: Watched
    ownership: Ownership
    broker: Broker
    store: RecordStore
    plugins: Extensions
    start_queue: StartQueue = field(init=False)
    faults: Faults = field(default_factory=Faults)
    followed_pods: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_FOLLOWED_PODS))

    def __post_init__(self) -> None:
        object.__setattr__(self, "start_queue", StartQueue(self.settings.limits.spawning))

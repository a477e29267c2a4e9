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


MOST_TOLD: Final = 50
"""How many slow pods have their events listed and watched at once; the next ones follow when some are done."""


@dataclass(frozen=True)
class ServiceContext:
    """The cluster, what is watched of it, whose users are, who makes namespaces, the records, plugins and settings.

    ``told`` is held for each pod whose events are followed; ``faults`` counts the records, pods and users that could
    not be handled.
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
    told: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_TOLD))

    def __post_init__(self) -> None:
        object.__setattr__(self, "start_queue", StartQueue(self.settings.limits.spawning))

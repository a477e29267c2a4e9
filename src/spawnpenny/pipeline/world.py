"""What all spawns of one service share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from spawnpenny.aio.faults import Faults
from spawnpenny.domain.broker import Broker
from spawnpenny.domain.spawns import Kind
from spawnpenny.pipeline.keeper import RecordKeeper
from spawnpenny.pipeline.order import Ordered
from spawnpenny.pipeline.turns import Slots
from spawnpenny.replicas.ownership import Ownership
from spawnpenny.settings import Settings

if TYPE_CHECKING:
    from spawnpenny.cluster.port import Cluster, Manifest
    from spawnpenny.cluster.watched import Watched
    from spawnpenny.domain.cluster_options import ClusterOption
    from spawnpenny.domain.events import Event
    from spawnpenny.domain.forms import FormField
    from spawnpenny.domain.spawns import Key
    from spawnpenny.domain.users import User
    from spawnpenny.domain.worker_groups import WorkerGroup
    from spawnpenny.pipeline.spawn import Spawn


MOST_TOLD: Final = 50
"""How many slow pods have their events listed and watched at once; the next ones are told of when some are done."""


class Extensions(Protocol):
    """What the plugins bring to the pipelines."""

    @property
    def pipelines(self) -> Mapping[Kind, Ordered]: ...

    @property
    def origin(self) -> Mapping[str, str]: ...

    def pod_patches(self, spawn: Spawn, pod: Manifest) -> list[tuple[str, Manifest]]: ...

    def form(self, user: User) -> Sequence[FormField]: ...

    def cluster_options(self, user: User) -> Sequence[ClusterOption]: ...

    def worker_groups(self) -> Sequence[WorkerGroup]: ...

    def cluster_overrides(self, user: User, options: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]: ...

    def observe(self, username: str, key: Key, event: Event) -> None: ...


@dataclass(frozen=True)
class World:
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
    keeper: RecordKeeper
    plugins: Extensions
    slots: Slots = field(init=False)
    faults: Faults = field(default_factory=Faults)
    told: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_TOLD))

    def __post_init__(self) -> None:
        object.__setattr__(self, "slots", Slots(self.settings.limits.spawning))

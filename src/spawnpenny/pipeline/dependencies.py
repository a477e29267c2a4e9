"""Dependencies of the cluster interfaces of steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spawnpenny.domain.broker import Broker
from spawnpenny.domain.events import Notify
from spawnpenny.errors import SpawnError
from spawnpenny.kubernetes.interface import Cluster, Manifest

if TYPE_CHECKING:
    from spawnpenny.kubernetes.object_cache import Watched


@dataclass(frozen=True)
class Dependencies:
    """Dependencies shared by the cluster interfaces of all steps of a spawn.

    Attributes:
        cluster: The cluster.
        pods: The cache of pods.
        broker: The broker.
        notify: Sends the user a message.
        suspect: Receives the likely reason for a delay, or None when it is over.
        notice: Receives a pod that has changed, to warn of its side containers.
        claimed: Receives the uid of the user's namespace.
        namespace: Returns the uid of the user's namespace, or an empty text.
        waits: Called when a step only waits, so that another spawn may start.
        scrub: Takes the caller's secrets out of a text.
        slow: Seconds after which a pod is slow, so that its Events are shown.
        event_reads: Limits the pods whose Events are read at the same time.

    """

    cluster: Cluster
    pods: Watched
    broker: Broker
    notify: Notify
    suspect: Callable[[SpawnError | None], None]
    notice: Callable[[Manifest], None]
    claimed: Callable[[str], None]
    namespace: Callable[[], str]
    waits: Callable[[], None]
    scrub: Callable[[str], str]
    slow: float
    event_reads: asyncio.Semaphore

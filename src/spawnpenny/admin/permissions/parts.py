"""The parts of spawnpenny that use the cluster, and the account of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spawnpenny import service
from spawnpenny.broker import client as broker_client
from spawnpenny.broker import leader, namespaces, order_runs, server
from spawnpenny.kubernetes.permissions import Declared
from spawnpenny.kubernetes.pods import events as pod_events
from spawnpenny.replicas import heartbeat, ownership, peers
from spawnpenny.spawns import store

Account = Literal["service", "broker"]


@dataclass(frozen=True, slots=True)
class Part:
    """The declarations of one part; ``separate_only`` is for parts that exist only with a separate broker."""

    name: str
    account: Account
    declared: Declared
    separate_only: bool = False


def parts() -> Sequence[Part]:
    """Return all parts except the steps of plugins: plugins declare those."""
    return (
        Part("records", "service", store.PERMISSIONS),
        Part("records", "service", ownership.PERMISSIONS),
        Part("replicas", "service", heartbeat.PERMISSIONS),
        Part("replicas", "service", peers.PERMISSIONS),
        Part("informers", "service", service.PERMISSIONS),
        Part("events", "service", pod_events.PERMISSIONS),
        Part("broker requests", "service", broker_client.PERMISSIONS, separate_only=True),
        Part("namespaces", "broker", namespaces.PERMISSIONS),
        Part("orders", "broker", order_runs.PERMISSIONS),
        Part("broker requests", "broker", server.PERMISSIONS, separate_only=True),
        Part("lead", "broker", leader.PERMISSIONS, separate_only=True),
    )

"""The broker's status: hashes of its settings, in a ConfigMap of the state namespace.

The service creates it, empty; the broker, which may create nothing there, writes on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from spawnpenny.domain import labels
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from spawnpenny.broker.orders import Order
    from spawnpenny.domain.broker import Broker

NAME: Final = "board"
KIND: Final = "board"


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """Hashes of the way in which namespaces are made, and of each order; empty for an order without work."""

    namespace: str
    commission: str
    retire: str

    @classmethod
    def of(cls, broker: Broker) -> Self:
        """Return what a broker has to say."""
        return cls(broker.namespace_hash(), broker.order_hash("commission"), broker.order_hash("retire"))

    @classmethod
    def read(cls, manifest: Manifest | None) -> Self | None:
        """Return what the ConfigMap says, or None where it says nothing yet."""
        data = (manifest or {}).get("data") or {}
        try:
            return cls(data["namespace"], data["commission"], data["retire"])
        except KeyError:
            return None

    def order(self, order: Order) -> str:
        return self.commission if order == "commission" else self.retire

    def patch(self) -> Manifest:
        """Return the patch that writes this."""
        return {"data": {"namespace": self.namespace, "commission": self.commission, "retire": self.retire}}


def empty_status(namespace: str, installation: str) -> Manifest:
    """Return the ConfigMap as the service creates it."""
    marks = {**labels.ours(installation), labels.KIND: KIND}
    metadata = {"name": NAME, "namespace": namespace, "labels": marks}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def status_ref(namespace: str) -> Ref:
    """Refer to it."""
    return Ref(resource_of("ConfigMap"), NAME, namespace)

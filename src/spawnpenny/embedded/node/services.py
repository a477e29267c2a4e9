"""Services without a network: a Service has an address by its name, and the pod that it selects gets that address.

Nothing is forwarded or balanced: one pod at a time has the address of a Service, with its own ports. A pod gets its
address at its start, so the Service has to exist before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spawnpenny.embedded.api.refusals import refuse
from spawnpenny.embedded.api.selectors import matches
from spawnpenny.kubernetes.errors import InvalidObjectError
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from spawnpenny.embedded.api.store import Store
    from spawnpenny.embedded.node.addresses import Addresses
    from spawnpenny.kubernetes.interface import Manifest, Ref

_HEADLESS: Final = "None"


class Services:
    """The Services of all namespaces, and their addresses."""

    def __init__(self, store: Store, addresses: Addresses) -> None:
        self._store = store
        self._addresses = addresses
        self._resource = resource_of("Service")

    def address(self, namespace: str, name: str) -> str:
        """Return the address of a Service, which may not exist yet; it stays the same as long as the cluster runs."""
        return self._addresses.of_service(f"{namespace}/{name}")

    def complete(self, ref: Ref, manifest: Manifest) -> None:
        """Fill in the fields of a Service that the cluster sets.

        Raises:
            InvalidObjectError: Another Service has the same address, which is rare, but possible.

        """
        spec = manifest.setdefault("spec", {})
        spec.setdefault("type", "ClusterIP")
        for port in spec.get("ports") or ():
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port.get("port"))
        if spec["type"] == "ExternalName" or spec.get("clusterIP") == _HEADLESS:
            return
        spec["clusterIP"] = address = self.address(ref.namespace or "", ref.name)
        for other in self._store.select(self._resource):
            if other.ref != ref and other.manifest["spec"].get("clusterIP") == address:
                raise refuse(InvalidObjectError, "create", ref, f"spec.clusterIP: the {other.ref} has {address}")

    def take_address(self, pod: Manifest) -> str:
        """Take an address for a new pod: the free one of a Service that selects the pod, else any."""
        metadata = pod["metadata"]
        for service in self._store.select(self._resource, namespace=metadata["namespace"]):
            spec = service.manifest["spec"]
            selector, address = spec.get("selector"), spec.get("clusterIP", _HEADLESS)
            if selector and matches(metadata.get("labels") or {}, selector) and self._addresses.take_service(address):
                return str(address)
        return self._addresses.take()

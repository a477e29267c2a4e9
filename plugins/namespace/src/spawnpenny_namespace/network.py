"""The NetworkPolicy of a user namespace: a pure function of the settings."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any, Final

from spawnpenny.api import CONTROL_PORT_NAME, DASHBOARD_PORT_NAME, NOTEBOOK_PORT_NAME, SCHEDULER_PORT_NAME, Manifest
from spawnpenny_namespace.settings import LINK_LOCAL, Block, NetworkSettings, Peer

NAME: Final = "spawnpenny"
_EVERYWHERE: Final[tuple[Block, ...]] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_OWN: Final[Manifest] = {"podSelector": {}}
_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
"""A label that only the API server sets, so that no namespace can have another's."""


def network_policy(settings: NetworkSettings) -> Manifest:
    """Return the policy that separates the pods of one user from all others."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _ingress(settings),
            "egress": [*_egress(settings)],
        },
    }


def _ingress(settings: NetworkSettings) -> list[Manifest]:
    # By name: labs may listen on any port, and no other pod of a user has ports of these names.
    callers = [_pods(settings.hub), _pods(settings.proxy)]
    return [
        {"from": callers, "ports": [_port(NOTEBOOK_PORT_NAME)]},
        {"from": [_pods(settings.service)], "ports": [_port(CONTROL_PORT_NAME)]},
        {"from": [_pods(settings.dask_proxy)], "ports": [_port(SCHEDULER_PORT_NAME), _port(DASHBOARD_PORT_NAME)]},
        {"from": [_OWN]},
    ]


def _egress(settings: NetworkSettings) -> Iterator[Manifest]:
    dns = [_port(number, protocol) for number in settings.dns.ports for protocol in ("UDP", "TCP")]
    yield {"to": [_pods(settings.dns)], "ports": dns}
    for peer in (settings.hub, settings.service, settings.dask_proxy):
        yield {"to": [_pods(peer)], "ports": [_port(number) for number in peer.ports]}
    yield {"to": [_OWN]}
    if settings.internet:
        closed = (*LINK_LOCAL, *settings.private, *settings.api_server)
        yield {"to": [_open(block, closed) for block in _EVERYWHERE]}
    yield from settings.egress


def _pods(peer: Peer) -> Manifest:
    """Select pods in one namespace. Both selectors are in one entry, because two entries would mean either."""
    return {
        "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: peer.namespace}},
        "podSelector": {"matchLabels": dict(peer.labels)},
    }


def _port(port: int | str, protocol: str = "TCP") -> dict[str, Any]:
    return {"port": port, "protocol": protocol}


def _open(block: Block, closed: Iterable[Block]) -> Manifest:
    left_out = [str(other) for other in dict.fromkeys(closed) if other.version == block.version]
    return {"ipBlock": {"cidr": str(block), "except": left_out}}

"""Carry over the chart's NetworkPolicy for labs to settings of the one in each user's namespace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.admin.migration.chart import at

_PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""The addresses that the chart calls private."""
_CLOSED: Final = {"0.0.0.0/0": "169.254.0.0/16", "::/0": "fe80::/10"}
"""The link-local addresses in the blocks of all addresses."""
HUB_NAMESPACE: Final = "{hubnamespace}"
"""A placeholder for the Hub's namespace: rules without a namespace select pods in it."""
_KUBE_SYSTEM: Final = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
_PLACE: Final = "singleuser.networkPolicy"
_OURS: Final = "plugins.namespace.network"


def network_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of ``plugins.namespace.network`` that follow from the chart's policy."""
    policy = at(values, _PLACE) or {}
    rules = policy.get("egressAllowRules") or {}
    internet, private = bool(rules.get("nonPrivateIPs")), bool(rules.get("privateIPs"))
    found: dict[str, Any] = {}
    if not internet:
        found["internet"] = False
    elif private:
        found["private"] = []
    egress = policy.get("egress") or []
    if isinstance(egress, list):
        egress = [*map(_rule, egress), *_rules(values, rules, private=private and not internet)]
    if egress:
        found["egress"] = egress
    if name := values.get("nameOverride"):
        found |= {part: {"labels": {"app": name, "component": part}} for part in ("hub", "proxy")}
    return found


def _rule(rule: Any) -> Any:
    """Return a rule for use in another namespace, without link-local addresses."""
    peers = rule.get("to") if isinstance(rule, Mapping) else None
    return {**rule, "to": [_peer(peer) for peer in peers]} if isinstance(peers, list) else rule


def _peer(peer: Any) -> Any:
    if not isinstance(peer, Mapping):
        return peer
    if "podSelector" in peer and "namespaceSelector" not in peer:
        return {**peer, "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": HUB_NAMESPACE}}}
    cidr = at(peer, "ipBlock.cidr")
    if isinstance(cidr, str) and cidr in _CLOSED and isinstance(at(peer, "ipBlock.except") or [], list):
        block = peer["ipBlock"]
        return {**peer, "ipBlock": {**block, "except": [*(block.get("except") or ()), _CLOSED[block["cidr"]]]}}
    return peer


def _rules(values: Mapping[str, Any], rules: Mapping[str, Any], *, private: bool) -> Iterator[dict[str, Any]]:
    blocks = [{"ipBlock": {"cidr": cidr}} for cidr in _PRIVATE]
    dns = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    if private:
        yield {"to": blocks}
    if rules.get("dnsPortsPrivateIPs"):
        yield {"to": blocks, "ports": dns}
    if rules.get("dnsPortsKubeSystemNamespace"):
        yield {"to": [_KUBE_SYSTEM], "ports": dns}
    address = at(values, "singleuser.cloudMetadata.ip")
    if rules.get("dnsPortsCloudMetadataServer") and address:
        yield {"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": dns}


def not_carried(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the values of the chart's policy that are not carried over: place, reason, and what to do."""
    policy = at(values, _PLACE) or {}
    if at(policy, "egressAllowRules.cloudMetadataServer"):
        yield (
            f"{_PLACE}.egressAllowRules.cloudMetadataServer",
            "labs never reach the cloud's metadata server, as it gives out the credentials of the node",
            "Give labs their own identity: set service_account, and use the cloud's workload identity.",
        )
    if policy.get("ingress"):
        yield (
            f"{_PLACE}.ingress",
            f"{_OURS} has no further rules for access to labs: only the Hub, its proxy and the user's own pods have it",
            "Add a NetworkPolicy to the users' namespaces with a step of a plugin.",
        )
    if policy.get("allowedIngressPorts"):
        yield (
            f"{_PLACE}.allowedIngressPorts",
            "the Hub and its proxy reach only the lab's own port",
            "Let the lab's server proxy other ports, as jupyter-server-proxy does.",
        )
    if policy.get("interNamespaceAccessLabels") == "accept":
        yield (
            f"{_PLACE}.interNamespaceAccessLabels",
            "a label gives no access to labs, as any pod can have it",
            "Allow the access with a NetworkPolicy that a plugin's step makes.",
        )


def notes(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield notes on the chart's policy."""
    policy = at(values, _PLACE) or {}
    if policy.get("enabled") is False:
        yield (
            f"{_PLACE}.enabled: it was off, but user namespaces have a NetworkPolicy by default. "
            f"To turn it off, set {_OURS}.enabled: false."
        )
    if at(policy, "egressAllowRules.privateIPs"):
        yield (
            f"{_PLACE}.egressAllowRules.privateIPs: labs reach private addresses, and so maybe the Kubernetes API. "
            f"To exclude it, name its addresses in {_OURS}.api_server."
        )

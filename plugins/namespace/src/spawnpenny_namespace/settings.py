"""The settings of the namespace plugin: allowed traffic to and from a user's pods."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import Manifest, StrictSchema, TupleField, schema_of

Block = ipaddress.IPv4Network | ipaddress.IPv6Network

LINK_LOCAL: Final[tuple[Block, ...]] = (
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fe80::/10"),
)
"""Addresses at which clouds give the credentials of a machine to any program on it."""
_PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
_DNS: Final = 53


class BlockField(fields.Field[Block]):
    """A range of addresses, such as ``10.0.0.0/8``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Block:
        try:
            return ipaddress.ip_network(value)
        except ValueError:
            raise ValidationError(f"{value!r} is not a range of addresses, such as 10.0.0.0/8.") from None


def _port(**more: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(1, 65535), **more)


def _labels(**more: Any) -> fields.Dict:
    return fields.Dict(keys=fields.String(), values=fields.String(), **more)


class _IpBlockSchema(StrictSchema[dict[str, Any]]):
    model = dict
    cidr = BlockField(required=True)
    except_ = fields.List(BlockField(), data_key="except")


class _SelectorSchema(StrictSchema[dict[str, Any]]):
    model = dict
    labels = _labels(data_key="matchLabels")
    expressions = fields.List(fields.Dict(), data_key="matchExpressions")


class _PeerSchema(StrictSchema[dict[str, Any]]):
    model = dict
    block = fields.Nested(_IpBlockSchema, data_key="ipBlock")
    pods = fields.Nested(_SelectorSchema, data_key="podSelector")
    namespaces = fields.Nested(_SelectorSchema, data_key="namespaceSelector")


class _PortSchema(StrictSchema[dict[str, Any]]):
    model = dict
    protocol = fields.String(validate=validate.OneOf(["TCP", "UDP", "SCTP"]))
    port = fields.Raw(required=True)
    last = _port(data_key="endPort")


class _RuleSchema(StrictSchema[dict[str, Any]]):
    """One egress rule. Its keys are checked here, because the API server silently drops unknown ones."""

    model = dict
    to = fields.List(fields.Nested(_PeerSchema), required=True, validate=validate.Length(min=1))
    ports = fields.List(fields.Nested(_PortSchema), validate=validate.Length(min=1))


class RuleField(fields.Field[Manifest]):
    """An egress rule of a NetworkPolicy. It needs ``to``, and may not open link-local addresses.

    Only DNS may use them: NodeLocal DNSCache listens on a link-local address.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Manifest:
        rule: dict[str, Any] = _RuleSchema().load(value)
        if not all(rule["to"]):
            raise ValidationError("An empty entry in `to` is not a peer: name pods, namespaces or an ipBlock.")
        if not _is_dns(rule.get("ports", ())):
            for peer in rule["to"]:
                _check_block(peer.get("block"))
        checked: Manifest = value
        return checked


def _is_dns(ports: Sequence[Mapping[str, Any]]) -> bool:
    return bool(ports) and all(port["port"] == _DNS and "last" not in port for port in ports)


def _check_block(block: Mapping[str, Any] | None) -> None:
    if block is None:
        return
    cidr, left_out = block["cidr"], block.get("except_", ())
    for forbidden in LINK_LOCAL:
        if cidr.overlaps(forbidden) and not any(_within(forbidden, block) for block in left_out):
            raise ValidationError(
                f"{cidr} has link-local addresses in it, where clouds keep the credentials of machines: "
                f"name {forbidden} in `except`."
            )


def _within(inner: Block, outer: Block) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


Blocks = tuple[Annotated[Block, BlockField()], ...]
Name = Annotated[str, fields.String(validate=validate.Length(min=1))]
Ports = Annotated[tuple[int, ...], TupleField(_port(), validate=validate.Length(min=1))]


@dataclass(frozen=True, slots=True)
class Peer:
    """Pods, given by their namespace and labels."""

    namespace: Name
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listener(Peer):
    """Pods that a user's pods may connect to, on these ports."""

    ports: Ports


@dataclass(frozen=True, slots=True)
class Hub(Listener):
    """The Hub, as Zero to JupyterHub installs it. It connects to labs, and labs to its API."""

    namespace: Name = "jupyterhub"
    labels: Mapping[str, str] = field(default_factory=lambda: {"app": "jupyterhub", "component": "hub"})
    ports: Ports = (8081,)


@dataclass(frozen=True, slots=True)
class Proxy(Peer):
    """The Hub's proxy, as Zero to JupyterHub installs it. Browsers reach labs through it."""

    namespace: Name = "jupyterhub"
    labels: Mapping[str, str] = field(default_factory=lambda: {"app": "jupyterhub", "component": "proxy"})


@dataclass(frozen=True, slots=True)
class Dns(Listener):
    """The cluster's DNS."""

    namespace: Name = "kube-system"
    labels: Mapping[str, str] = field(default_factory=lambda: {"k8s-app": "kube-dns"})
    ports: Ports = (_DNS,)


@dataclass(frozen=True, slots=True)
class Service(Listener):
    """The service, which pods ask for further spawns, and which connects to what controls them."""

    namespace: Name = "spawnpenny"
    labels: Mapping[str, str] = field(
        default_factory=lambda: {"app.kubernetes.io/name": "spawnpenny", "app.kubernetes.io/component": "web"}
    )
    ports: Ports = (8080,)


@dataclass(frozen=True, slots=True)
class SpawnProxy(Listener):
    """``spawnpenny proxy``, through which clients reach spawns by TLS, and their dashboards."""

    namespace: Name = "spawnpenny"
    labels: Mapping[str, str] = field(
        default_factory=lambda: {"app.kubernetes.io/name": "spawnpenny", "app.kubernetes.io/component": "proxy"}
    )
    ports: Ports = (8786,)


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Traffic that the NetworkPolicy of a user namespace allows.

    ``internet`` opens all addresses, except link-local ones, those in ``private`` and those in ``api_server``.
    ``egress`` are further rules, in the format of a NetworkPolicy.
    """

    enabled: bool = True
    hub: Hub = field(default_factory=Hub)
    proxy: Proxy = field(default_factory=Proxy)
    dns: Dns = field(default_factory=Dns)
    service: Service = field(default_factory=Service)
    dask_proxy: SpawnProxy = field(default_factory=SpawnProxy)
    internet: bool = True
    private: Blocks = tuple(ipaddress.ip_network(block) for block in _PRIVATE)
    api_server: Blocks = ()
    egress: tuple[Annotated[Manifest, RuleField()], ...] = ()


@dataclass(frozen=True, slots=True)
class NamespaceSettings:
    """The network of user namespaces. Their prefix, role and pod security level are settings of the broker."""

    network: NetworkSettings = field(default_factory=NetworkSettings)


NamespaceSettingsSchema: Final = schema_of(NamespaceSettings)

"""The NetworkPolicy of a user namespace, and the settings that it is made of."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest
import yaml
from marshmallow import ValidationError
from spawnpenny_namespace.network import network_policy
from spawnpenny_namespace.settings import NamespaceSettingsSchema, NetworkSettings


def policy(text="{}"):
    return network_policy(NamespaceSettingsSchema().load({"network": yaml.safe_load(text)}).network)["spec"]


def blocks(spec):
    return [peer["ipBlock"] for rule in spec["egress"] for peer in rule["to"] if "ipBlock" in peer]


def reaches(spec, address):
    """Say whether a pod reaches an address by what the policy says of addresses."""
    where = ipaddress.ip_address(address)
    return any(
        where in ipaddress.ip_network(block["cidr"])
        and not any(where in ipaddress.ip_network(other) for other in block.get("except", ()))
        for block in blocks(spec)
    )


def test_the_readme_shows_the_defaults():
    blocks = re.findall(r"```yaml\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(), re.DOTALL)
    shown = NamespaceSettingsSchema().load(yaml.safe_load(blocks[0])["plugins"]["namespace"]).network
    assert shown == NetworkSettings()


def pods(namespace, **labels):
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": labels},
    }


def test_the_policy_is_about_every_pod_and_both_directions():
    spec = network_policy(NetworkSettings())["spec"]
    assert spec["podSelector"] == {}
    assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_hub_and_proxy_come_in_to_labs_and_spawnpenny_to_schedulers():
    hub, web, proxy, own = policy()["ingress"]
    assert hub == {
        "from": [
            pods("jupyterhub", app="jupyterhub", component="hub"),
            pods("jupyterhub", app="jupyterhub", component="proxy"),
        ],
        "ports": [{"port": "notebook-port", "protocol": "TCP"}],
    }
    mine = {"app.kubernetes.io/name": "spawnpenny"}
    assert web == {
        "from": [pods("spawnpenny", **mine, **{"app.kubernetes.io/component": "web"})],
        "ports": [{"port": "control", "protocol": "TCP"}],
    }
    assert proxy == {
        "from": [pods("spawnpenny", **mine, **{"app.kubernetes.io/component": "proxy"})],
        "ports": [{"port": "tls", "protocol": "TCP"}, {"port": "dashboard", "protocol": "TCP"}],
    }
    assert own == {"from": [{"podSelector": {}}]}


def test_the_hub_of_another_namespace_keeps_the_other_defaults():
    spec = policy("hub: {namespace: hub-a}\nproxy: {labels: {app: traefik}}")
    assert spec["ingress"][0]["from"] == [
        pods("hub-a", app="jupyterhub", component="hub"),
        pods("jupyterhub", app="traefik"),
    ]
    assert spec["egress"][1] == {
        "to": [pods("hub-a", app="jupyterhub", component="hub")],
        "ports": [{"port": 8081, "protocol": "TCP"}],
    }


def test_no_entry_selects_pods_or_namespaces_apart_from_each_other():
    spec = policy()
    peers = [peer for rule in spec["ingress"] for peer in rule["from"]]
    peers += [peer for rule in spec["egress"] for peer in rule["to"]]
    assert {tuple(peer) for peer in peers} == {("namespaceSelector", "podSelector"), ("podSelector",), ("ipBlock",)}
    assert all(peer["namespaceSelector"]["matchLabels"] for peer in peers if "namespaceSelector" in peer)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "10.0.0.1", "172.20.0.1", "192.168.1.1"],
)
def test_metadata_services_and_private_addresses_are_out_of_reach(address):
    assert not reaches(policy(), address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f::1"])
def test_the_internet_is_reached_unless_the_settings_close_it(address):
    assert reaches(policy(), address)
    assert not reaches(policy("internet: false"), address)


def test_an_api_server_with_a_public_address_is_out_of_reach_once_it_is_named():
    spec = policy("api_server: [34.1.2.3/32]")
    assert not reaches(spec, "34.1.2.3")
    assert reaches(spec, "34.1.2.4")


def test_opening_private_addresses_does_not_open_link_local_ones():
    spec = policy("private: []")
    assert reaches(spec, "10.0.0.1")
    assert not reaches(spec, "169.254.169.254")


def test_what_the_deployer_names_is_added_as_it_is():
    rule = "{to: [{ipBlock: {cidr: 10.1.2.3/32}}], ports: [{port: 2049, protocol: TCP}]}"
    assert policy(f"egress: [{rule}]")["egress"][-1] == yaml.safe_load(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "{to: [{ipBlock: {cidr: 169.254.20.10/32}}], ports: [{port: 53, protocol: UDP}]}",
        "{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}}]}",
        "{to: [{ipBlock: {cidr: '::/0', except: ['fe80::/9']}}]}",
    ],
)
def test_a_rule_that_leaves_the_metadata_alone_is_taken(rule):
    assert policy(f"egress: [{rule}]")["egress"][-1] == yaml.safe_load(rule)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]", "name 169.254.0.0/16 in `except`"),
        ("egress: [{to: [{ipBlock: {cidr: '::/0'}}]}]", "name fe80::/10 in `except`"),
        ("egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]}]", "name 169.254.0.0/16"),
        ("egress: [{to: [{ipBlock: {cidr: 169.254.169.254/32}}], ports: [{port: 80}]}]", "link-local"),
        (
            "egress: [{to: [{ipBlock: {cidr: 169.254.169.254/32}}], ports: [{port: 53, endPort: 80}]}]",
            "link-local",
        ),
        ("egress: [{ports: [{port: 80}]}]", "Missing data"),
        ("egress: [{to: []}]", "Shorter than minimum"),
        ("egress: [{to: [{}]}]", "not a peer"),
        ("egress: [{to: [{podSelektor: {}}]}]", "did you mean 'podSelector'"),
        ("egress: [{too: [{podSelector: {}}]}]", "did you mean 'to'"),
        ("private: [10.0.0.1/8]", "not a range of addresses"),
        ("hub: {ports: []}", "Shorter than minimum"),
        ("hubb: {}", "did you mean 'hub'"),
    ],
)
def test_settings_that_would_open_more_than_they_seem_to_are_refused(text, why):
    with pytest.raises(ValidationError) as refused:
        policy(text)
    assert why in str(refused.value)

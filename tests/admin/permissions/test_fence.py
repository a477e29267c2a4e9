"""The fence that is made of settings: the names of a site, and what it and its orders open."""

from __future__ import annotations

import pytest

from spawnpenny.admin.permissions.fence import BINDING, POLICY, make_fence
from spawnpenny.broker.namespaces import namespace_hash, user_namespace
from spawnpenny.broker.orders import Orders
from spawnpenny.settings.load import make_settings
from tests.kit.fence import Policy

SITE = {
    "installation": "physics",
    "namespaces": {"prefix": "phys-", "state": "p-state", "broker": "p-broker", "provision": "p-orders"},
    "broker": {"account": "penny", "account_namespace": "p-home", "role": "p-tenant", "pod_security": "baseline"},
    "pods": {"allow": ["nfs", "capabilities:CHOWN", "hostPath"]},
}


def fence(data, orders=None):
    return {
        (manifest["kind"], manifest["metadata"]["name"]): manifest
        for manifest in make_fence(make_settings(data), orders)
    }


def variables(policy):
    return {variable["name"]: variable["expression"] for variable in policy["spec"]["variables"]}


def test_a_site_with_names_of_its_own_has_policies_of_its_own():
    made = fence(SITE)
    names = {"penny-service", "penny-broker"}
    assert made.keys() == {(kind, name) for kind in (POLICY, BINDING) for name in names}
    for name, user in (("service", "p-home:penny"), ("broker", "p-broker:penny-broker")):
        assert made[BINDING, f"penny-{name}"]["spec"]["policyName"] == f"penny-{name}"
        (condition,) = made[POLICY, f"penny-{name}"]["spec"]["matchConditions"]
        assert condition["expression"] == f"request.userInfo.username == 'system:serviceaccount:{user}'"
    service, broker = (variables(made[POLICY, f"penny-{name}"]) for name in ("service", "broker"))
    assert (service["prefix"], service["installation"], service["state"]) == ("'phys-'", "'physics'", "'p-state'")
    assert (service["opened"], service["hostPaths"]) == ("['capabilities:CHOWN', 'nfs']", "['/']")
    assert (broker["levels"], broker["role"], broker["provision"]) == ("['baseline']", "'p-tenant'", "'p-orders'")


@pytest.mark.parametrize(
    ("pods", "paths"),
    [
        ({}, "[]"),
        ({"host_paths": ["/srv"]}, "[]"),
        ({"allow": ["hostPath"]}, "['/']"),
        ({"allow": ["hostPath"], "host_paths": ["/srv", "/data"]}, "['/data', '/srv']"),
    ],
)
def test_folders_of_machines_are_open_as_the_pipeline_opens_them(pods, paths):
    assert variables(fence({"pods": pods})[POLICY, "spawnpenny-service"])["hostPaths"] == paths


@pytest.mark.parametrize(
    ("container", "opened"),
    [
        ({}, "[]"),
        ({"securityContext": {"runAsUser": 0}}, "[]"),
        ({"securityContext": {"privileged": True}}, "['privileged']"),
        ({"securityContext": {"capabilities": {"add": ["CHOWN"], "drop": ["ALL"]}}}, "['capabilities']"),
        ({"ports": [{"containerPort": 1, "hostPort": 1}]}, "['hostPort']"),
    ],
)
@pytest.mark.parametrize("order", ["commission", "retire"])
def test_what_orders_have_is_open_for_the_brokers_pods(order, container, opened):
    orders = Orders(**{order: ({"name": "c", "image": "i", **container},)})
    assert variables(fence({}, orders)[POLICY, "spawnpenny-broker"])["opened"] == opened


def test_texts_of_a_site_are_texts_in_the_expressions():
    odd = "it's \"x\" \\ ü\n' || true || '"
    made = fence({"broker": {"annotations": {"example.org/a": odd}}})
    expressions = Policy.of(made[POLICY, "spawnpenny-broker"]).variables
    assert expressions["annotations"].program.execute({}) == {"example.org/a": odd}


def test_namespaces_carry_what_the_settings_name_and_ours_win():
    given = {"labels": {"team": "physics"}, "annotations": {"example.org/owner": "it"}}
    broker = make_settings({"broker": given}).broker
    metadata = user_namespace("ada", "lab-ada", installation="default", broker=broker)["metadata"]
    plain = user_namespace("ada", "lab-ada", installation="default", broker=make_settings({}).broker)["metadata"]
    assert metadata["labels"] == plain["labels"] | given["labels"]
    assert metadata["annotations"] == plain["annotations"] | given["annotations"]
    assert namespace_hash(broker) != namespace_hash(make_settings({}).broker)

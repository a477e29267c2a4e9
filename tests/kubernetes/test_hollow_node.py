"""What tests can have a hollow node do, and what they can ask the API server's audit log."""

from __future__ import annotations

import pytest

from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.testing.behaviours import Hold, Ready, Unschedulable


@pytest.fixture
def kit(kubernetes_kit):
    return kubernetes_kit


def phase(name):
    return lambda pod: pod["status"]["phase"] == name


def unschedulable(pod):
    conditions = pod["status"].get("conditions") or []
    return any(condition.get("reason") == "Unschedulable" for condition in conditions)


async def test_a_pod_is_held_until_released(kit, hollow_node):
    hollow_node.behave("p", Hold())
    await kit.cluster.create(kit.pod())
    await kit.until(lambda pod: "nodeName" in pod["spec"] and pod["status"].get("containerStatuses"))
    hollow_node.behave("p", Ready())
    await kit.until(phase("Running"))


async def test_a_pod_finds_no_node_until_there_is_room(kit, hollow_node):
    hollow_node.behave({"size": "huge"}, Unschedulable("0/1 nodes are available."))
    pod = kit.pod()
    pod["metadata"]["labels"] = {"size": "huge"}
    await kit.cluster.create(pod)
    assert "nodeName" not in (await kit.until(unschedulable))["spec"]
    hollow_node.behave({"size": "huge"}, Ready())
    await kit.until(phase("Running"))


async def test_a_running_pod_can_be_killed_for_its_memory(kit, hollow_node):
    await kit.cluster.create(kit.pod())
    await kit.until(phase("Running"))
    await hollow_node.exit(kit.namespace, "p", 137, "OOMKilled")
    pod = await kit.until(phase("Failed"))
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


async def test_the_audit_log_counts_what_one_client_asked(kit, apiserver):
    connect = KubernetesCluster.connect(str(apiserver.kubeconfig), user_agent="counted/1")
    async with await connect as counted:
        await counted.read(Ref.of(kit.config()))
        start = apiserver.audit_position()
        made = await counted.create(kit.config())
        await counted.delete(Ref.of(made))
    entries = apiserver.audit(start, user_agent="counted/")
    assert [(entry.verb, entry.resource, entry.status) for entry in entries] == [
        ("create", "configmaps", 201),
        ("delete", "configmaps", 200),
    ]


async def test_a_user_without_rights_has_none(kit, apiserver):
    kubeconfig = str(apiserver.kubeconfig_for("system:serviceaccount:ns:nobody"))
    async with await KubernetesCluster.connect(kubeconfig) as nobody:
        with pytest.raises(ClusterForbiddenError, match="system:serviceaccount:ns:nobody"):
            await nobody.list(Ref.of(kit.config()).resource)

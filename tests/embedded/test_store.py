"""Objects of the embedded cluster; the contract that all clusters share is in tests/kubernetes."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.errors import QuotaExceededError
from spawnpenny.kubernetes.errors import ClusterForbiddenError, ExpiredError, InvalidObjectError, TerminatingError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of

CONFIG_MAPS = resource_of("ConfigMap")


async def test_a_watcher_that_falls_behind_has_to_list_again(folder, tmp_path):
    async with EmbeddedCluster(folder, {}, history=10) as cluster:
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "default"},
        }
        since = (await cluster.list(CONFIG_MAPS)).version
        ref = Ref.of(await cluster.create(manifest))
        async with aclosing(cluster.watch(CONFIG_MAPS, since=since)) as events:
            assert (await anext(events)).type == "ADDED"
            for number in range(20):
                await cluster.patch(ref, {"data": {"n": str(number)}})
            with pytest.raises(ExpiredError):
                await anext(events)


async def test_what_is_returned_is_nobodys_alias(site):
    stored = await site.cluster.create(site.make("ConfigMap", "c", data={"a": "1"}))
    stored["data"]["a"] = "changed"
    (item,) = (await site.cluster.list(CONFIG_MAPS, namespace="default")).items
    assert item["data"] == {"a": "1"}


async def test_a_namespace_is_terminating_until_its_pods_have_gone(site):
    namespace = Ref.of(await site.cluster.create(site.make("Namespace", "n", namespace=None)))
    script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    pod = Ref.of(await site.cluster.create(site.make("Pod", "p", namespace="n", spec={
        "containers": [site.container("sh", script)], "terminationGracePeriodSeconds": 1,
    })))  # fmt: skip
    await site.log_has(pod, "up")
    secret = Ref.of(await site.cluster.create(site.make("Secret", "s", namespace="n")))
    assert await site.cluster.delete(namespace)
    assert (await site.cluster.read(namespace))["status"]["phase"] == "Terminating"
    with pytest.raises(TerminatingError):
        await site.cluster.create(site.make("Secret", "late", namespace="n"))
    assert await site.cluster.read(secret) is not None
    await site.until_gone(pod)
    assert await site.cluster.read(secret) is None
    assert await site.cluster.read(namespace) is None


async def test_a_quota_refuses_with_the_numbers_and_counts_no_ended_pod(site):
    hard = {"requests.cpu": "1500m", "limits.memory": "2Gi", "count/configmaps": "1"}
    quota = Ref.of(await site.cluster.create(site.make("ResourceQuota", "q", spec={"hard": hard})))
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}}
    first = await site.run(site.container("sh", "read x < /dev/null; exec sleep 100", resources=resources))
    with pytest.raises(QuotaExceededError) as refusal:
        await site.run(site.container("sh", "true", resources=resources), name="second")
    assert refusal.value.facts == {"resource": "requests.cpu", "asked": "1", "used": "1", "limit": "1500m"}
    used = (await site.cluster.read(quota))["status"]["used"]
    assert used == {"requests.cpu": "1", "limits.memory": "1Gi", "count/configmaps": "0"}
    await site.cluster.delete(first, grace=0)
    await site.until_gone(first)
    done = await site.run(site.container("sh", "true", resources=resources), name="second")
    await site.until(done, site.ended)
    assert (await site.cluster.read(quota))["status"]["used"]["requests.cpu"] == "0"
    await site.cluster.create(site.make("ConfigMap", "one"))
    with pytest.raises(QuotaExceededError):
        await site.cluster.create(site.make("ConfigMap", "two"))


async def test_a_quota_wants_the_amounts_specified_and_a_limit_range_specifies_them(site):
    await site.cluster.create(site.make("ResourceQuota", "q", spec={"hard": {"limits.cpu": "4", "requests.cpu": "4"}}))
    with pytest.raises(ClusterForbiddenError, match=r"must specify limits.cpu,requests.cpu"):
        await site.run(site.container("sh", "true"))
    limit = {"type": "Container", "default": {"cpu": "2"}, "defaultRequest": {"cpu": "500m"}}
    await site.cluster.create(site.make("LimitRange", "r", spec={"limits": [limit]}))
    pod = await site.cluster.read(await site.run(site.container("sh", "true")))
    assert pod["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "2"}, "requests": {"cpu": "500m"}}


@pytest.mark.parametrize(
    "manifest",
    [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "../up", "namespace": "default"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "namespace": "default"},
            "data": {"..": ""},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": {}},
    ],
)
async def test_an_invalid_object_is_refused(site, manifest):
    with pytest.raises(InvalidObjectError):
        await site.cluster.create(manifest)

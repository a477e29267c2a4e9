"""What every cluster behind the port does with objects."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from spawnpenny.errors import QuotaExceededError
from spawnpenny.kubernetes.errors import (
    AlreadyExistsError,
    ClusterForbiddenError,
    ConflictError,
    InvalidObjectError,
    NotFoundError,
    TerminatingError,
)
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of

CONFIG_MAP, NAMESPACE = resource_of("ConfigMap"), resource_of("Namespace")


def cpu(limit):
    return {"resources": {"limits": {"cpu": limit}}}


async def limit(kit, **hard):
    """Make a quota, and wait until it is in force: until then, Kubernetes lets everything pass."""
    metadata = {"name": "q", "namespace": kit.namespace}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}
    await kit.cluster.create(quota)
    await kit.until_seen(resource_of("ResourceQuota"), "q", lambda seen: seen.get("status", {}).get("used"))


async def test_a_created_object_has_uid_version_and_time(kit):
    made = await kit.cluster.create(kit.config(a="1"))
    assert {"uid", "resourceVersion", "creationTimestamp"} <= made["metadata"].keys()
    assert made["data"] == {"a": "1"}
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")


async def test_what_was_created_is_read_back(kit):
    made = await kit.cluster.create(kit.config(a="1"))
    assert await kit.cluster.read(Ref.of(made)) == made


async def test_a_name_is_taken_once(kit):
    await kit.cluster.create(kit.config())
    with pytest.raises(AlreadyExistsError):
        await kit.cluster.create(kit.config())


async def test_nothing_is_created_in_a_namespace_that_is_not_there(kit):
    manifest = kit.config()
    manifest["metadata"]["namespace"] = "nowhere"
    with pytest.raises(NotFoundError):
        await kit.cluster.create(manifest)


async def test_nothing_is_created_in_a_namespace_that_is_going(kit):
    await kit.cluster.create(kit.pod("test/stubborn"))
    await kit.cluster.delete(Ref(NAMESPACE, kit.namespace))
    with pytest.raises(TerminatingError):
        await kit.cluster.create(kit.config())


async def test_an_object_without_a_valid_name_is_refused(kit):
    with pytest.raises(InvalidObjectError):
        await kit.cluster.create(kit.config("Not_A_Name"))


async def test_a_pod_without_containers_is_refused(kit):
    with pytest.raises(InvalidObjectError):
        await kit.cluster.create(kit.pod(containers=[]))


async def test_what_was_read_cannot_be_created_again(kit):
    made = await kit.cluster.create(kit.config())
    await kit.cluster.delete(Ref.of(made))
    with pytest.raises(InvalidObjectError):
        await kit.cluster.create(made)


async def test_what_is_absent_reads_as_none(kit):
    assert await kit.cluster.read(Ref(CONFIG_MAP, "absent", kit.namespace)) is None


async def test_a_list_has_what_carries_all_labels(kit):
    await kit.cluster.create(kit.config("one", {"a": "1", "b": "1"}))
    await kit.cluster.create(kit.config("two", {"a": "1"}))
    found = await kit.cluster.list(CONFIG_MAP, labels={"a": "1", "b": "1"})
    assert [item["metadata"]["name"] for item in found.items] == ["one"]
    assert (found.items[0]["apiVersion"], found.items[0]["kind"]) == ("v1", "ConfigMap")


async def test_a_list_keeps_to_its_namespace(kit):
    await kit.cluster.create(kit.config("here", {"a": "1"}))
    found = await kit.cluster.list(CONFIG_MAP, namespace="default", labels={"a": "1"})
    assert not found.items


async def test_replace_takes_the_present_version(kit):
    made = await kit.cluster.create(kit.config(a="1"))
    stored = await kit.cluster.replace(made | {"data": {"b": "2"}})
    assert stored["data"] == {"b": "2"}
    assert stored["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


async def test_replace_refuses_an_older_version(kit):
    made = await kit.cluster.create(kit.config(a="1"))
    await kit.cluster.replace(made | {"data": {"b": "2"}})
    with pytest.raises(ConflictError):
        await kit.cluster.replace(made | {"data": {"c": "3"}})


async def test_replace_needs_an_object(kit):
    made = await kit.cluster.create(kit.config())
    await kit.cluster.delete(Ref.of(made))
    with pytest.raises((NotFoundError, ConflictError)):
        await kit.cluster.replace(made)


async def test_a_merge_patch_adds_changes_and_removes(kit):
    made = await kit.cluster.create(kit.config(keep="1", change="1", remove="1"))
    stored = await kit.cluster.patch(Ref.of(made), {"data": {"change": "2", "remove": None, "add": "1"}})
    assert stored["data"] == {"keep": "1", "change": "2", "add": "1"}


async def test_a_patch_needs_an_object(kit):
    with pytest.raises(NotFoundError):
        await kit.cluster.patch(Ref(CONFIG_MAP, "absent", kit.namespace), {"data": {"a": "1"}})


async def test_a_patch_can_state_the_version(kit):
    made = await kit.cluster.create(kit.config())
    await kit.cluster.patch(Ref.of(made), {"data": {"a": "1"}})
    version = {"resourceVersion": made["metadata"]["resourceVersion"]}
    with pytest.raises(ConflictError):
        await kit.cluster.patch(Ref.of(made), {"metadata": version, "data": {"a": "2"}})


async def test_delete_tells_whether_there_was_one(kit):
    ref = Ref.of(await kit.cluster.create(kit.config()))
    assert await kit.cluster.delete(ref) is True
    assert await kit.cluster.delete(ref) is False


async def test_delete_spares_another_uid(kit):
    made = await kit.cluster.create(kit.config())
    with pytest.raises(ConflictError):
        await kit.cluster.delete(Ref.of(made), uid="another")
    assert await kit.cluster.delete(Ref.of(made), uid=made["metadata"]["uid"]) is True


async def test_a_namespace_that_was_changed_meanwhile_is_not_deleted(kit):
    ref = Ref(NAMESPACE, kit.namespace)
    before = (await kit.cluster.read(ref))["metadata"]
    await kit.cluster.patch(ref, {"metadata": {"labels": {"kept": "yes"}}})
    with pytest.raises(ConflictError):
        await kit.cluster.delete(ref, uid=before["uid"], version=before["resourceVersion"])
    after = (await kit.cluster.read(ref))["metadata"]
    assert "deletionTimestamp" not in after
    assert await kit.cluster.delete(ref, uid=after["uid"], version=after["resourceVersion"]) is True


async def test_metadata_comes_without_what_an_object_holds(kit):
    metadata = {"name": "s", "namespace": kit.namespace, "labels": {"a": "b"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"key": "hidden"}}
    made = await kit.cluster.create(secret)
    listed = await kit.cluster.metadata(resource_of("Secret"), namespace=kit.namespace)
    (found,) = [item for item in listed if item["metadata"]["name"] == "s"]
    assert found.keys() == {"kind", "metadata"}
    assert found["kind"] == "Secret"
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert found["metadata"]["labels"] == {"a": "b"}


async def test_a_namespace_takes_all_that_is_in_it_along(kit):
    made = await kit.cluster.create(kit.config())
    await kit.cluster.create(kit.pod())
    assert await kit.cluster.delete(Ref(NAMESPACE, kit.namespace)) is True
    await kit.until_gone()
    await kit.until_namespace_gone()
    assert await kit.cluster.read(Ref.of(made)) is None


async def test_a_namespace_has_its_default_service_account(kit):
    await kit.cluster.create(kit.pod())  # no pod is let in before
    assert await kit.cluster.read(Ref(resource_of("ServiceAccount"), "default", kit.namespace)) is not None


async def test_a_quota_tells_what_was_asked_and_used_and_allowed(kit):
    await limit(kit, **{"limits.cpu": "2"})
    first, second = kit.pod(container=cpu("1500m")), kit.pod(container=cpu("1"))
    second["metadata"]["name"] = "second"
    await kit.cluster.create(first)
    with pytest.raises(QuotaExceededError) as refusal:
        await kit.cluster.create(second)
    expected = {"resource": "limits.cpu", "asked": "1", "used": "1500m", "limit": "2"}
    assert refusal.value.facts == expected


async def test_a_quota_refuses_what_does_not_say_how_much_it_needs(kit):
    await limit(kit, **{"limits.cpu": "2"})
    with pytest.raises(ClusterForbiddenError, match=r"must specify limits\.cpu"):
        await kit.cluster.create(kit.pod())


async def test_a_quota_counts_objects(kit):
    await limit(kit, **{"count/secrets": "100", "pods": "0"})
    with pytest.raises(QuotaExceededError) as refusal:
        await kit.cluster.create(kit.pod())
    assert refusal.value.facts == {"resource": "pods", "asked": "1", "used": "0", "limit": "0"}


async def test_a_limit_range_fills_in_what_a_container_leaves_out(kit):
    limits = [{"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}}]
    metadata = {"name": "l", "namespace": kit.namespace}
    await kit.cluster.create(
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}
    )
    pod = await kit.cluster.create(kit.pod())
    assert pod["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m"},
        "requests": {"cpu": "100m"},
    }


def service(kit, name="s", **spec):
    metadata = {"name": name, "namespace": kit.namespace}
    ports = [{"name": "notebook", "port": 8888}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports, **spec}}


async def test_a_service_has_an_address_and_leads_to_the_same_port(kit):
    made = await kit.cluster.create(service(kit, selector={"a": "b"}))
    assert ip_address(made["spec"]["clusterIP"])
    assert made["spec"]["type"] == "ClusterIP"
    (port,) = made["spec"]["ports"]
    assert (port["port"], port["targetPort"], port["protocol"]) == (8888, 8888, "TCP")


async def test_a_changed_service_keeps_its_address(kit):
    made = await kit.cluster.create(service(kit, selector={"a": "b"}))
    changed = await kit.cluster.patch(Ref.of(made), {"spec": {"selector": {"a": "c"}}})
    assert changed["spec"]["clusterIP"] == made["spec"]["clusterIP"]


async def test_a_service_without_an_address_of_its_own_stays_so(kit):
    made = await kit.cluster.create(service(kit, clusterIP="None"))
    assert made["spec"]["clusterIP"] == "None"


async def test_where_a_service_is_reached_is_known_before_it_is_there(kit):
    before = kit.cluster.service_host(kit.namespace, "s")
    await kit.cluster.create(service(kit, selector={"a": "b"}))
    assert kit.cluster.service_host(kit.namespace, "s") == before
    assert len({before, *(kit.cluster.service_host(kit.namespace, name) for name in "tu")}) == 3

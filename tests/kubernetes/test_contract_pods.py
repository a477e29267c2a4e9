"""What becomes of a pod, on every cluster behind the port."""

from __future__ import annotations

import pytest

from spawnpenny.kubernetes.errors import NotFoundError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of


def ready(pod):
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def ended(pod):
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def container(pod):
    return pod["status"]["containerStatuses"][0]


def waits_for(reason):
    def takes(pod):
        statuses = pod.get("status", {}).get("containerStatuses", [])
        return any(status["state"].get("waiting", {}).get("reason") == reason for status in statuses)

    return takes


async def test_a_pod_begins_pending(kit):
    pod = await kit.cluster.create(kit.pod())
    assert pod["status"]["phase"] == "Pending"


async def test_a_pod_becomes_ready_and_has_an_address(kit):
    await kit.cluster.create(kit.pod())
    pod = await kit.until(ready)
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["podIP"]
    assert pod["spec"]["nodeName"]
    assert container(pod)["ready"] is True
    assert "running" in container(pod)["state"]


async def test_init_containers_end_before_the_rest_begins(kit):
    first = {"name": "first", "image": "test/true"}
    await kit.cluster.create(kit.pod(initContainers=[first]))
    pod = await kit.until(ready)
    assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


async def test_a_deleted_pod_is_marked_and_then_goes(kit):
    made = await kit.cluster.create(kit.pod())
    await kit.until(ready)
    with kit.pods.subscribe() as changes:
        assert await kit.cluster.delete(Ref.of(made), uid=made["metadata"]["uid"]) is True
        await kit.until_gone()
        seen = [await anext(changes)]
        while seen[-1].type != "DELETED":
            seen.append(await anext(changes))
    assert "deletionTimestamp" in seen[0].object["metadata"]
    assert await kit.cluster.read(Ref.of(made)) is None


async def test_a_pod_can_be_made_to_go_at_once(kit):
    made = await kit.cluster.create(kit.pod("test/stubborn", terminationGracePeriodSeconds=600))
    await kit.until(ready)
    assert await kit.cluster.delete(Ref.of(made), grace=0) is True
    await kit.until_gone()


async def test_a_pod_that_may_end_and_ends_well_has_succeeded(kit):
    await kit.cluster.create(kit.pod("test/true", restartPolicy="Never"))
    pod = await kit.until(ended)
    assert pod["status"]["phase"] == "Succeeded"
    assert container(pod)["state"]["terminated"]["exitCode"] == 0
    assert container(pod)["state"]["terminated"]["reason"] == "Completed"


async def test_a_pod_that_may_end_and_ends_badly_has_failed(kit):
    await kit.cluster.create(kit.pod("test/exit3", restartPolicy="Never"))
    pod = await kit.until(ended)
    assert pod["status"]["phase"] == "Failed"
    assert container(pod)["state"]["terminated"]["exitCode"] == 3
    assert container(pod)["state"]["terminated"]["reason"] == "Error"


async def test_a_container_that_keeps_ending_is_started_again(kit):
    await kit.cluster.create(kit.pod("test/crash"))
    pod = await kit.until(waits_for("CrashLoopBackOff"))
    assert container(pod)["restartCount"] >= 1
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 7
    assert not ready(pod)


async def test_an_image_that_is_not_there_is_reported(kit):
    await kit.cluster.create(kit.pod("test/absent"))
    pod = await kit.until(waits_for("ErrImagePull"))
    assert pod["status"]["phase"] == "Pending"
    assert "not found" in container(pod)["state"]["waiting"]["message"]
    await kit.until(waits_for("ImagePullBackOff"))


async def test_a_container_gets_its_environment_from_a_secret_and_its_words_are_kept(kit):
    metadata = {"name": "s", "namespace": kit.namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"word": "hello"}}
    await kit.cluster.create(secret)
    env = [{"name": "GREETING", "valueFrom": {"secretKeyRef": {"name": "s", "key": "word"}}}]
    kit.say("p", "one\ntwo\nhello\n")  # a hollow node runs nothing: there, this is about the log alone
    made = await kit.cluster.create(kit.pod("test/greet", container={"env": env}, restartPolicy="Never"))
    await kit.until(ended)
    assert await kit.cluster.log(Ref.of(made), container="main", tail=2) == "two\nhello\n"


async def test_a_pod_that_is_not_there_has_no_log(kit):
    with pytest.raises(NotFoundError):
        await kit.cluster.log(Ref(resource_of("Pod"), "absent", kit.namespace), container="main", tail=2)


async def test_a_container_that_has_not_begun_has_an_empty_log(kit):
    made = await kit.cluster.create(kit.pod("test/absent"))
    await kit.until(waits_for("ErrImagePull"))
    assert await kit.cluster.log(Ref.of(made), container="main", tail=2) == ""

"""Pods that do not come up, or do not stay: the message to the user, and how soon it comes."""

from __future__ import annotations

import asyncio
import base64
import json
import textwrap
from urllib.parse import quote

import pytest
import structlog

from spawnpenny.domain.spawns import Phase
from spawnpenny.errors import QuotaExceededError
from spawnpenny.testing.behaviours import Crash, Hold, PullError, Unschedulable
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import lab, settled, start

SECRET = 's3cr3t-of-"Ada"-Grüße-7q9Zk2Lm4Xw8'


@pytest.fixture
def pods(hollow_node, kube_site):
    """Have this site's labs behave so."""

    def behave(behaviour):
        hollow_node.behave(
            lambda pod: pod["metadata"]["namespace"] == kube_site.namespace() and pod["metadata"]["name"] == "lab",
            behaviour,
        )

    return behave


async def failed(site, **more):
    async with site.service() as service:
        run = await settled(await start(service, **more))
        assert run.record.phase is Phase.FAILED
        assert await site.objects(spawn=run.record.id) == {}
        return run.record.reason


@pytest.mark.parametrize(
    ("behaviour", "code", "message"),
    [
        (PullError("manifest for quay.io/x:1 not found: manifest unknown"), "image_unavailable", "manifest unknown"),
        (PullError("dial tcp: i/o timeout"), "image_unavailable", "cannot be pulled"),
        (PullError("", reason="InvalidImageName"), "image_unavailable", "InvalidImageName"),
        (Crash(3, "no such option"), "pod_crashed", "exit code 3"),
    ],
    ids=["no such image", "registry down", "no image name", "crash"],
)
async def test_a_hopeless_pod_fails_early_and_says_why(kube_site, pods, behaviour, code, message):
    pods(behaviour)
    reason = await failed(kube_site)
    assert (reason.code, message in reason.message) == (code, True), reason


async def test_a_pod_that_nobody_has_room_for_is_waited_for_until_the_deadline(kube_site, pods):
    pods(Unschedulable("0/3 nodes are available: 3 Insufficient cpu."))
    reason = await failed(kube_site, timeout=12.0)
    assert reason.code == "unschedulable"
    assert "Insufficient cpu" in reason.message


async def test_a_spawn_that_is_too_slow_says_what_it_waited_for(kube_site, pods):
    pods(Hold())
    reason = await failed(kube_site, timeout=12.0)
    assert reason.code == "deadline_exceeded"
    assert "Waiting for the lab to answer" in reason.message


@pytest.mark.parametrize("seconds", [0.5, 3.0, 5.0])
async def test_a_caller_that_hardly_waits_reads_no_negative_seconds(kube_site, pods, seconds):
    pods(Hold())
    reason = await failed(kube_site, timeout=seconds)
    assert (reason.code, "its -" in reason.message) == ("deadline_exceeded", False), reason


async def test_a_lab_that_ran_out_of_memory_has_exited_and_says_so(kube_site, hollow_node):
    async with kube_site.service() as service:
        run = await settled(await start(service))
        await hollow_node.exit(kube_site.namespace(), "lab", 137, "OOMKilled")
        await until(run, Phase.EXITED)
        assert run.record.reason.code == "out_of_memory"
        assert "memory" in run.record.reason.message
        assert await kube_site.objects(spawn=run.record.id) == {}


async def test_a_lab_that_ends_again_and_again_has_exited(kube_site, pods):
    async with kube_site.service() as service:
        run = await settled(await start(service))
        pods(Crash(9))
        await until(run, Phase.EXITED)
        assert "exit code 9" in run.record.reason.message


async def test_a_lab_whose_pod_was_deleted_from_outside_has_exited(site):
    async with site.service() as service:
        run = await settled(await start(service))
        await site.cluster.delete(site.ref("Pod", "lab"), grace=0)
        await until(run, Phase.EXITED)
        assert run.record.reason.code == "pod_gone"
        again = await settled(await start(service, "again"))
        assert again.record.phase is Phase.RUNNING


async def test_a_lab_that_ended_while_no_service_ran_is_noticed_by_the_next(kube_site, hollow_node):
    async with kube_site.service() as service:
        await settled(await start(service))
    await hollow_node.exit(kube_site.namespace(), "lab", 1)
    async with kube_site.service() as service:
        run = service.spawns.find("ada", lab())
        await until(run, Phase.EXITED)
        assert "exit code 1" in run.record.reason.message


async def test_more_than_the_quota_is_refused_with_the_numbers(site):
    site.data["plugins"]["quota"] = {"cpu": "1500m", "memory": "8Gi"}
    async with site.service() as service:
        await settled(await start(service))
        with pytest.raises(QuotaExceededError) as refused:
            await start(service, name="second")
        assert dict(refused.value.facts) == {"resource": "cpu", "asked": "1", "used": "1", "limit": "1500m"}


async def test_the_clusters_own_refusal_is_reported_with_the_numbers(site):
    """The quota was lowered by hand: only the cluster knows."""
    async with site.service() as service:
        await settled(await start(service, name="other"))
        quota = {"spec": {"hard": {"limits.cpu": "1500m"}}}
        await site.cluster.patch(site.ref("ResourceQuota", "spawnpenny"), quota)
        run = await settled(await start(service))
        assert run.record.reason.code == "quota_exceeded"
        assert "asked 1, in use 1, limit 1500m" in run.record.reason.message


async def test_a_namespace_that_vanished_is_made_again(site):
    async with site.service() as service:
        run = await settled(await start(service))
        await site.cluster.delete(site.ref("Namespace", site.namespace()))
        await until(run, Phase.EXITED)
        again = await settled(await start(service, "again"))
        assert again.record.phase is Phase.RUNNING, again.record.reason
        assert "ConfigMap/user-files" in await site.objects()


async def test_a_namespace_that_is_not_ours_is_left_alone(site):
    foreign = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": site.namespace()}}
    await site.cluster.create(foreign)
    async with site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason.code == "not_ours"
        assert set(await site.objects()) == set()


async def until(run, phase):
    async with asyncio.timeout(PATIENCE):
        while run.record.phase is not phase or not run.record.reverted:
            await run.bell.next().wait()
            if run.task is not None:
                await run.task


async def test_no_value_of_the_env_reaches_a_reason_an_event_or_a_log_line(kube_site, pods):
    pods(Crash(3, "cannot log in with token=s3cr3t-of-ada"))
    with structlog.testing.capture_logs() as logs:
        async with kube_site.service() as service:
            run = await settled(await start(service, env={"JUPYTER_TOKEN": "s3cr3t-of-ada"}))
            record = await kube_site.read("Secret", "user-ada", kube_site.settings.namespaces.state)
    texts = [run.record.reason.message, *(event.message for event in run.record.log.since(None)), str(logs)]
    assert "token=[secret]" in run.record.reason.message
    assert not any("s3cr3t-of-ada" in text for text in texts)
    assert "s3cr3t-of-ada" not in base64.b64decode(record["data"]["record"]).decode()


@pytest.mark.parametrize(
    "printed",
    [
        f"{SECRET[10:]} at the start of what was kept" + " x" * 1010,
        json.dumps({"token": SECRET}),
        repr({"token": SECRET}),
        f"https://h.example/?token={quote(SECRET, safe='')}",
        f"Authorization: Basic {base64.b64encode(f'ada:{SECRET}'.encode()).decode()}",
        f"it begins with {SECRET[:16]} and ends with {SECRET[-16:]}",
        "\n".join(textwrap.wrap(SECRET, 9)),
    ],
    ids=["cut", "json", "repr", "URL", "base64", "parts", "wrapped"],
)
async def test_no_form_or_part_of_a_secret_is_quoted_from_what_a_program_printed(kube_site, pods, printed):
    pods(Crash(3, printed))
    with structlog.testing.capture_logs() as logs:
        async with kube_site.service() as service:
            run = await settled(await start(service, env={"JUPYTER_TOKEN": SECRET}))
    assert run.record.reason.code == "pod_crashed"
    message = " ".join([run.record.reason.message, *(event.message for event in run.record.log.since(None)), str(logs)])
    forms = (SECRET, json.dumps(SECRET), quote(SECRET, safe=""), base64.b64encode(f"ada:{SECRET}".encode()).decode())
    bare = "".join(message.split()).replace("\\", "")
    for form in forms:
        bare_form = form.replace("\\", "")
        assert not any(bare_form[at : at + 8] in bare for at in range(len(bare_form) - 7))

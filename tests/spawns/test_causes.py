"""Causes of failures and ends: each has its own code and words, at once, also while the undoing still waits."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.domain.spawns import Phase
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.pods import troubles
from spawnpenny.spawns.store import read_record
from spawnpenny.testing.behaviours import Hold, make_status, terminated
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import lab, settled, start

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
HOOK = "command 'gitpuller' exited with 128: fatal: not a git repository"
MISSING = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "licence" not found'}}


class Play:
    """A pod that goes through statuses, each of a phase, a state of its containers, and more."""

    scheduled = True

    def __init__(self, *statuses):
        self.played = statuses

    def statuses(self, pod):
        for phase, state, more in self.played:
            ready = more.pop("ready", False)
            own = {key: more.pop(key) for key in ("restarts", "last") if key in more}
            yield make_status(pod, phase, state, ready=ready, **own) | more


@pytest.fixture
def play(hollow_node, kube_site):
    def behave(behaviour):
        hollow_node.behave(
            lambda pod: pod["metadata"]["namespace"] == kube_site.namespace() and pod["metadata"]["name"] == "lab",
            behaviour,
        )

    return behave


def ended_by(reason, message="so it is"):
    return ("Failed", terminated(137), {"reason": reason, "message": message})


def hook_error(restarts):
    return {"waiting": {"reason": "PostStartHookError", "message": HOOK}}, {
        "restarts": restarts,
        "last": terminated(137),
    }


@pytest.mark.parametrize(
    ("statuses", "code", "message"),
    [
        ([ended_by("Evicted")], "pod_evicted", "so it is"),
        ([ended_by("Preempting")], "pod_preempted", "so it is"),
        ([ended_by("Terminated")], "node_shutdown", "so it is"),
        ([ended_by("OutOfcpu")], "pod_rejected", "OutOfcpu"),
        ([ended_by("SomethingNew")], "pod_ended", "SomethingNew"),
        ([("Running", *hook_error(n)) for n in range(3)], "lifecycle_hook_failed", "not a git repository"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_start_fails_with_its_true_cause(kube_site, play, statuses, code, message):
    play(Play(*statuses))
    async with kube_site.service() as service:
        run = await settled(await start(service))
        assert (run.record.phase, run.record.reason.code) == (Phase.FAILED, code)
        assert message in run.record.reason.message
        assert await kube_site.read("Pod", "lab") is None


async def test_a_program_that_ended_well_because_its_hook_failed_says_so(kube_site, play, hollow_node):
    """The status of such a pod is that of a program that was shut down: only an Event has the cause."""
    hook = {"exec": {"command": ["gitpuller"]}}
    kube_site.data["plugins"]["lab"] = {"lifecycle_hooks": {"postStart": hook}}
    play(Hold())
    async with kube_site.service() as service:
        run = await start(service)
        pod = await service.service_context.pods.wait_for(kube_site.namespace(), "lab", lambda pod: pod is not None)
        await kube_site.cluster.create(_event(pod, "FailedPostStartHook", HOOK), resource_of("Event"))
        await hollow_node.set_status(kube_site.namespace(), "lab", make_status(pod, "Succeeded", terminated(0)))
        await settled(run)
        assert run.record.reason.code == "lifecycle_hook_failed"
        assert HOOK in run.record.reason.message


@pytest.mark.parametrize(
    ("reason", "code"), [("FailedMount", "volume_unavailable"), ("FailedCreatePodSandBox", "pod_setup_failed")]
)
async def test_what_only_an_event_says_is_the_reason_when_patience_ends(kube_site, play, reason, code):
    kube_site.data["deadlines"] = {"slow": 0.1}
    play(Hold())
    async with kube_site.service() as service:
        run = await start(service, timeout=12.0)
        pod = await service.service_context.pods.wait_for(kube_site.namespace(), "lab", lambda pod: pod is not None)
        await kube_site.cluster.create(_event(pod, reason, "it cannot be done"), resource_of("Event"))
        await settled(run)
        assert run.record.reason.code == code
        assert "it cannot be done" in run.record.reason.message


async def test_what_heals_a_moment_later_fails_no_start(kube_site, play):
    play(Play(("Pending", MISSING, {}), ("Pending", MISSING, {}), ("Running", RUNNING, {"ready": True})))
    async with kube_site.service() as service:
        run = await settled(await start(service))
        assert run.record.phase is Phase.RUNNING
        assert any("licence" in event.message for event in run.record.log.since(None))


async def test_what_does_not_heal_fails_with_its_own_reason_when_patience_ends(kube_site, play, monkeypatch):
    monkeypatch.setattr(troubles, "HEALING", 0.5)
    play(Play(("Pending", MISSING, {})))
    async with kube_site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason.code == "pod_config_invalid"
        assert run.record.reason.message == 'The container notebook cannot be started: secret "licence" not found.'


async def test_an_unknown_reason_is_reported_as_it_is(kube_site, play):
    play(Play(("Pending", {"waiting": {"reason": "SomethingNew", "message": "of tomorrow"}}, {})))
    async with kube_site.service() as service:
        run = await settled(await start(service, timeout=12.0))
        assert run.record.reason.code == "container_waiting"
        assert "SomethingNew (of tomorrow)" in run.record.reason.message


async def test_a_lost_machine_is_reported_and_ends_the_lab_when_the_cluster_gives_the_pod_up(kube_site, hollow_node):
    async with kube_site.service() as service:
        run = await settled(await start(service))
        pod = await kube_site.read("Pod", "lab")
        await _patch(kube_site, {"metadata": {"finalizers": ["example.org/keeps"]}})
        lost = make_status(pod, "Running", RUNNING, ready=True)
        for condition in lost["conditions"]:
            if condition["type"] == "Ready":
                condition["status"] = "False"  # and no more: the kubelet reports nothing
        await hollow_node.set_status(kube_site.namespace(), "lab", lost)
        await _until(run, lambda: "does not answer" in run.waiting_for)
        assert run.record.phase is Phase.RUNNING
        await kube_site.cluster.delete(kube_site.ref("Pod", "lab"))
        await _until(run, lambda: run.record.phase is Phase.EXITED)
        assert run.record.reason.code == "node_lost"
        await _patch(kube_site, {"metadata": {"finalizers": None}})
        await asyncio.wait_for(run.task, PATIENCE)
        assert run.record.reverted


async def test_the_reason_is_known_while_the_undoing_waits_and_the_next_service_goes_on_undoing(
    kube_site, play, hollow_node
):
    kube_site.data["deadlines"] = {"stop": 1}
    kube_site.data["plugins"]["lab"] = {"delete_grace_period": 1}
    play(Hold())
    async with kube_site.service() as service:
        run = await start(service)
        pod = await service.service_context.pods.wait_for(kube_site.namespace(), "lab", lambda pod: pod is not None)
        await _patch(kube_site, {"metadata": {"finalizers": ["example.org/keeps"]}})
        evicted = make_status(pod, "Failed", terminated(137)) | {"reason": "Evicted", "message": "no memory"}
        await hollow_node.set_status(kube_site.namespace(), "lab", evicted)
        await _until(run, lambda: run.record.phase is Phase.UNDOING)
        assert run.record.reason.code == "pod_evicted"
        await _until(run, lambda: "example.org/keeps" in run.waiting_for)
        assert f"The pod lab in {kube_site.namespace()}" in run.waiting_for
        records = service.service_context.ownership.records
        await records.wait_for(kube_site.settings.namespaces.state, "user-ada", _is_undone)
    async with kube_site.service() as service:
        run = service.spawns.find("ada", lab())
        assert (run.record.phase, run.record.reason.code) == (Phase.UNDOING, "pod_evicted")
        await _patch(kube_site, {"metadata": {"finalizers": None}})
        await _until(run, lambda: run.record.phase is Phase.FAILED)
        assert run.record.reason.code == "pod_evicted"
        assert await kube_site.objects(spawn=run.record.id) == {}


async def test_a_start_that_a_stuck_pod_holds_up_names_it(kube_site):
    kube_site.data["deadlines"] = {"stop": 1}
    kube_site.data["plugins"]["lab"] = {"delete_grace_period": 1}
    async with kube_site.service() as service:
        await settled(await start(service))
        await _patch(kube_site, {"metadata": {"finalizers": ["example.org/keeps"]}})
        run = await start(service, "again", replace=True, timeout=12.0)
        await _until(run, lambda: run.record.phase is Phase.UNDOING)
        assert run.record.reason.code == "pod_stuck"
        assert "example.org/keeps" in run.record.reason.message
        await _patch(kube_site, {"metadata": {"finalizers": None}})
        await settled(run)
        assert run.record.phase is Phase.FAILED


def _event(pod, reason, message):
    place = {key: pod["metadata"][key] for key in ("name", "namespace", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "lab.1", "namespace": place["namespace"]},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", **place},
        "type": "Warning",
        "reason": reason,
        "message": message,
    }


async def _patch(site, patch):
    await site.cluster.patch(Ref(resource_of("Pod"), "lab", site.namespace()), patch)


async def _until(run, fact):
    async with asyncio.timeout(PATIENCE):
        while not fact():
            await run.bell.next().wait()


def _is_undone(secret):
    spawns = read_record(secret).spawns.values() if secret else ()
    return any(spawn.phase is Phase.UNDOING for spawn in spawns)


EVICTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "a drain"}


@pytest.fixture
def gone(kube_site, hollow_node, monkeypatch):
    """Have pods of this site that are deleted go only once this is set."""
    finish, allowed = hollow_node._finish, asyncio.Event()

    async def slowly(pod):
        if pod.manifest["metadata"]["namespace"] == kube_site.namespace():
            await allowed.wait()
        await finish(pod)

    monkeypatch.setattr(hollow_node, "_finish", slowly)
    return allowed


async def evict(site, hollow_node, pod, *, ready):
    status = make_status(pod, "Running", RUNNING, ready=ready)
    status["conditions"].append(EVICTED)
    await hollow_node.set_status(site.namespace(), "lab", status)
    await site.cluster.delete(site.ref("Pod", "lab"), grace=300)


@pytest.mark.parametrize("ready", [False, True], ids=["starting", "running"])
async def test_an_eviction_is_known_while_the_pod_still_has_its_grace_period(kube_site, play, hollow_node, gone, ready):
    """The pod is deleted and does not go: its program has minutes to end."""
    kube_site.data["plugins"]["lab"] = {"grace": 300}
    play(Play(("Running", RUNNING, {"ready": ready})))
    async with kube_site.service() as service:
        run = await start(service)
        pod = await service.service_context.pods.wait_for(
            kube_site.namespace(), "lab", lambda pod: pod is not None and "containerStatuses" in pod["status"]
        )
        if ready:
            await settled(run)
        await evict(kube_site, hollow_node, pod, ready=ready)
        while not _said(run, "It was taken off its machine: a drain."):
            await run.bell.next().wait()
        assert not ready or run.record.phase is Phase.RUNNING
        gone.set()
        while not run.record.phase.over:
            await run.bell.next().wait()
        assert run.record.reason.code == "pod_evicted"


def _said(run, sentence):
    return any(event.message == sentence for event in run.record.log.since(None))

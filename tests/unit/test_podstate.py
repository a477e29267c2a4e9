"""What the kubelet's statuses mean, and how they are told: one sentence each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.pipeline import podstate
from spawnpenny.pipeline.scrub import scrubbed
from spawnpenny.testing.behaviours import Crash, Fail, Hold, PullError, Ready, Succeed, Unschedulable

POD = {"metadata": {"name": "lab", "uid": "u"}, "spec": {"containers": [{"name": "notebook", "image": "quay.io/x:1"}]}}


def pod(status, **metadata):
    return {"metadata": POD["metadata"] | metadata, "status": status}


def statuses(behaviour, count=1):
    made = behaviour.statuses(POD)
    return [pod(next(made)) for _ in range(count)]


def waiting(reason, message="", **more):
    state = {"waiting": {"reason": reason, "message": message}}
    return container(state=state, **more)


def container(**more):
    return {"phase": "Pending", "containerStatuses": [{"name": "notebook", "image": "quay.io/x:1", **more}]}


def ended(code, **more):
    return {"terminated": {"exitCode": code, **more}}


NO_ROOM = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
TROUBLES = [
    (
        waiting("ErrImagePull", "rpc error: code = NotFound desc = failed to pull: not found"),
        ("image_unavailable", True),
        "The image quay.io/x:1 cannot be pulled: rpc error: code = NotFound desc = failed to pull: not found.",
    ),
    (
        waiting("ImagePullBackOff", 'Back-off pulling image "quay.io/x:1"'),
        ("image_unavailable", False),
        'The image quay.io/x:1 cannot be pulled: Back-off pulling image "quay.io/x:1".',
    ),
    (
        waiting("ErrImagePull", "unauthorized: access to the requested resource is not authorized"),
        ("image_unavailable", True),
        "The image quay.io/x:1 cannot be pulled: unauthorized: access to the requested resource is not authorized.",
    ),
    (
        waiting("ErrImagePull", "dial tcp 1.2.3.4:443:\n i/o timeout."),
        ("image_unavailable", False),
        "The image quay.io/x:1 cannot be pulled: dial tcp 1.2.3.4:443: i/o timeout.",
    ),
    (
        waiting("InvalidImageName"),
        ("image_unavailable", True),
        "The image quay.io/x:1 cannot be pulled: InvalidImageName.",
    ),
    (
        waiting("CreateContainerConfigError", 'secret "lab" not found'),
        ("pod_config_invalid", True),
        'The container notebook cannot be started: secret "lab" not found.',
    ),
    (
        container(state=ended(3, reason="Error", message="Traceback:\n  boom")),
        ("pod_crashed", False),
        "The container notebook ended by itself with exit code 3: Traceback: boom.",
    ),
    (
        waiting("CrashLoopBackOff", "back-off 10s", restartCount=1, lastState=ended(1, reason="Error")),
        ("pod_crashed", False),
        "The container notebook ended by itself with exit code 1.",
    ),
    (
        container(state={"running": {}}, lastState=ended(137, reason="OOMKilled")),
        ("pod_crashed", False),
        "The container notebook was ended because it used more memory than it may (OOMKilled).",
    ),
    (
        {"phase": "Pending", "conditions": [NO_ROOM | {"message": "0/3 nodes are available: 3 Insufficient cpu."}]},
        ("unschedulable", False),
        "No machine has room for it: 0/3 nodes are available: 3 Insufficient cpu.",
    ),
    (
        {"phase": "Pending", "conditions": [NO_ROOM]},
        ("unschedulable", False),
        "No machine has room for it: no more is known.",
    ),
]


@pytest.mark.parametrize(("status", "verdict", "told"), TROUBLES)
def test_a_trouble_has_its_code_its_hope_and_its_sentence(status, verdict, told):
    found = podstate.trouble(pod(status))
    assert (found.code, found.hopeless) == verdict
    assert found.error.message == told


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"phase": "Pending"},
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        container(state={"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
        container(state={"running": {}}, lastState=ended(0, reason="Completed")),
        {"initContainerStatuses": [{"name": "i", "state": ended(0), "lastState": ended(1)}]},
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
    ],
)
def test_what_takes_its_time_is_no_trouble(status):
    assert podstate.trouble(pod(status)) is None


def test_the_trouble_of_an_init_container_is_a_trouble():
    status = {"initContainerStatuses": [{"name": "setup", "image": "x", "state": ended(2)}]}
    assert podstate.trouble(pod(status)).error.message == "The container setup ended by itself with exit code 2."


def oom_killed():
    return pod(
        {"phase": "Failed", "containerStatuses": [{"name": "notebook", "state": ended(137, reason="OOMKilled")}]}
    )


def evicted():
    status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory. "}
    return pod(status | {"containerStatuses": [{"name": "notebook", "state": ended(137, reason="Error")}]})


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (statuses(Fail(3))[0], "The container notebook ended by itself with exit code 3."),
        (statuses(Succeed())[0], "The program in the pod ended by itself (exit code 0)."),
        (oom_killed(), "The container notebook was ended because it used more memory than it may (OOMKilled)."),
        (evicted(), "The pod was ended by the cluster: Evicted (The node was low on resource: memory)."),
        (
            pod({"phase": "Failed", "reason": "NodeLost"}),
            "The pod was ended by the cluster: NodeLost.",
        ),
    ],
)
def test_an_ending_is_told_by_its_cause(ending, told):
    assert podstate.is_over(ending)
    assert podstate.ending(ending).message == told


@pytest.mark.parametrize(
    ("behaviour", "ready", "over"),
    [
        (Ready(), True, False),
        (Hold(), False, False),
        (Unschedulable(), False, False),
        (PullError(), False, False),
        (Crash(), False, False),
        (Succeed(), False, True),
        (Fail(), False, True),
    ],
    ids=lambda each: type(each).__name__,
)
def test_ready_and_over_are_what_the_kubelet_says(behaviour, ready, over):
    (found,) = statuses(behaviour)
    assert (podstate.is_ready(found), podstate.is_over(found)) == (ready, over)


def test_a_pod_that_is_being_deleted_is_not_ready():
    (found,) = statuses(Ready())
    assert not podstate.is_ready(pod(found["status"], deletionTimestamp="2026-01-01T00:00:00Z"))


def test_each_crash_counts_once():
    assert [podstate.crashes(each) for each in statuses(Crash(), 4)] == [1, 1, 2, 3]


@given(st.text(max_size=1000), st.sampled_from(["ErrImagePull", "CreateContainerConfigError", "RunContainerError"]))
def test_whatever_the_kubelet_writes_is_told_as_one_bounded_sentence(text, reason):
    terminated = container(state=ended(1, message=text))
    for status in (waiting(reason, text), terminated, {"conditions": [NO_ROOM | {"message": text}]}):
        told = podstate.trouble(pod(status)).error.message
        assert len(told.splitlines()) == 1
        assert told.endswith(".")
        assert not told.endswith(("..", ": ."))
        assert len(told) < 400


def test_what_a_program_wrote_is_cleaned_before_it_is_cut():
    secret = "s3cr3t-" * 5
    told = f"{'x' * 285} {secret}"
    ended = {"terminated": {"exitCode": 1, "message": told}}
    pod = {"metadata": {}, "status": {"containerStatuses": [{"name": "notebook", "state": ended}]}}
    error = podstate.ending(pod, quote=lambda text: scrubbed(text, [secret]))
    assert "s3cr3t" not in error.message

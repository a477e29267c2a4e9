"""What the kubelet's statuses mean, and the sentences about them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.spawns.scrub import Scrubber
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
        ("pod_config_invalid", False),  # a controller may make it a moment later
        'The container notebook cannot be started: secret "lab" not found.',
    ),
    (
        waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
        ("pod_config_invalid", True),
        "The container notebook cannot be started: container has runAsNonRoot and image will run as root.",
    ),
    (
        waiting("RunContainerError", 'exec: "jupyterhub-singleuser": executable file not found in $PATH'),
        ("pod_config_invalid", True),
        'The container notebook cannot be started: exec: "jupyterhub-singleuser": executable file not found in $PATH.',
    ),
    (
        waiting("CreateContainerError", "context deadline exceeded"),
        ("pod_config_invalid", False),
        "The container notebook cannot be started: context deadline exceeded.",
    ),
    (
        waiting(
            "CrashLoopBackOff", lastState=ended(128, reason="StartError", message="exec: no such file or directory")
        ),
        ("pod_config_invalid", True),
        "The container notebook cannot be started: exec: no such file or directory.",
    ),
    (
        waiting("ErrImagePull", "lookup registry: no such host: image not found"),
        ("image_unavailable", False),
        "The image quay.io/x:1 cannot be pulled: lookup registry: no such host: image not found.",
    ),
    (
        waiting("ImageInspectError", "Failed to inspect image: rpc error"),
        ("image_unavailable", False),
        "The image quay.io/x:1 cannot be read by the machine: Failed to inspect image: rpc error.",
    ),
    (
        waiting("PostStartHookError", "exited with 128: fatal: no repository", lastState=ended(137)),
        ("lifecycle_hook_failed", False),
        "The container notebook was ended because its postStart hook failed: exited with 128: fatal: no repository.",
    ),
    (
        waiting("SomethingNew", "that nobody has heard of."),
        ("container_waiting", False),
        "The container notebook waits: SomethingNew (that nobody has heard of).",
    ),
    (
        waiting("SomethingNew"),
        ("container_waiting", False),
        "The container notebook waits: SomethingNew.",
    ),
    (
        waiting("CrashLoopBackOff", restartCount=1, lastState=ended(0)),
        ("program_ended", False),
        "The container notebook ended by itself with exit code 0.",
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
        ("out_of_memory", False),
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


@pytest.mark.parametrize(("status", "verdict", "sentence"), TROUBLES)
def test_a_trouble_has_its_code_its_hope_and_its_sentence(status, verdict, sentence):
    found = pod_status.trouble(pod(status))
    assert (found.code, found.hopeless) == verdict
    assert found.error.message == sentence


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
    ],
)
def test_what_takes_its_time_is_no_trouble(status):
    assert pod_status.trouble(pod(status)) is None


def test_the_trouble_of_an_init_container_is_a_trouble():
    status = {"initContainerStatuses": [{"name": "setup", "image": "x", "state": ended(2)}]}
    assert pod_status.trouble(pod(status)).error.message == "The container setup ended by itself with exit code 2."


def oom_killed():
    return pod(
        {"phase": "Failed", "containerStatuses": [{"name": "notebook", "state": ended(137, reason="OOMKilled")}]}
    )


def evicted():
    status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory. "}
    return pod(status | {"containerStatuses": [{"name": "notebook", "state": ended(137, reason="Error")}]})


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (statuses(Fail(3))[0], "The container notebook ended by itself with exit code 3."),
        (statuses(Succeed())[0], "The program in the pod ended by itself (exit code 0)."),
        (oom_killed(), "The container notebook was ended because it used more memory than it may (OOMKilled)."),
        (evicted(), "Its machine ran short of something, and put it out: The node was low on resource: memory."),
        (pod({"phase": "Failed", "reason": "NodeLost"}), "Its machine does not answer any more."),
    ],
)
def test_an_ending_is_reported_by_its_cause(ending, sentence):
    assert pod_status.is_over(ending)
    assert pod_status.ending(ending).message == sentence


RAN = [{"name": "notebook", "state": ended(137)}]


@pytest.mark.parametrize(
    ("reason", "ran", "code"),
    [
        ("Evicted", True, "pod_evicted"),
        ("Preempting", True, "pod_preempted"),
        ("Terminated", True, "node_shutdown"),
        ("NodeShutdown", False, "node_shutdown"),
        ("NodeLost", True, "node_lost"),
        ("DeadlineExceeded", True, "pod_expired"),
        ("OutOfmemory", True, "pod_rejected"),
        ("OutOfnvidia.com/gpu", False, "pod_rejected"),
        ("UnexpectedAdmissionError", True, "pod_rejected"),
        ("TopologyAffinityError", False, "pod_rejected"),
        ("SomethingNew", False, "pod_rejected"),
        ("SomethingNew", True, "pod_ended"),
    ],
)
def test_what_the_cluster_ended_or_refused_has_a_code_of_its_own(reason, ran, code):
    status = {"phase": "Failed", "reason": reason, "message": "so it is", "containerStatuses": RAN if ran else []}
    found = pod_status.ending(pod(status))
    assert found.code == code
    assert found.message.endswith(": so it is.")
    assert code not in {"pod_rejected", "pod_ended"} or reason in found.message


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("PreemptionByScheduler", "pod_preempted"),
        ("DeletionByTaintManager", "pod_evicted"),
        ("EvictionByEvictionAPI", "pod_evicted"),
        ("DeletionByPodGC", "node_lost"),
        ("SomethingNew", "pod_ended"),
    ],
)
def test_a_deleted_pod_says_why_by_its_condition(reason, code):
    target = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "so it is"}
    status = {"phase": "Running", "conditions": [target], "containerStatuses": RAN}
    assert pod_status.ending(pod(status, deletionTimestamp="now")).code == code
    assert pod_status.deletion(pod(status)).code == code


def lost(**more):
    conditions = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
    own = {"name": "notebook", "ready": True, "state": {"running": {}}}
    return pod({"phase": "Running", "conditions": conditions, "containerStatuses": [own]}, **more)


def test_a_lost_machine_is_reported_and_may_come_back():
    found = pod_status.trouble(lost())
    assert (found.code, found.hopeless) == ("node_lost", False)
    assert not pod_status.is_lost(lost())


def test_a_pod_that_is_deleted_on_a_lost_machine_is_lost():
    gone = lost(deletionTimestamp="now")
    assert pod_status.is_lost(gone)
    assert pod_status.ending(gone).code == "node_lost"


@pytest.mark.parametrize(("code", "reason"), [(137, "ContainerStatusUnknown"), (255, "Unknown")])
def test_an_end_that_nobody_saw_is_not_the_programs_own(code, reason):
    status = container(state=ended(code, reason=reason, message="could not be located")) | {"phase": "Failed"}
    error = pod_status.ending(pod(status))
    assert (error.code, error.facts.get("exit_code")) == ("pod_ended", None)
    assert pod_status.trouble(pod(status)).code == "pod_ended"


def test_a_pod_that_was_given_up_while_its_program_ran_says_nothing_of_an_earlier_end():
    given_up = container(state={"running": {}}, lastState=ended(3)) | {"phase": "Failed"}
    assert pod_status.ending(pod(given_up)).code == "pod_ended"


@pytest.mark.parametrize(
    ("message", "hopeless"),
    [
        ("failed to resolve reference quay.io/x:503: quay.io/x:503: not found", True),
        ("no matching manifest for linux/arm64 in the manifest list entries", True),
        ("unexpected status code 503 Service Unavailable: denied", False),
        ("received unexpected HTTP status: 502 Bad Gateway; not found", False),
    ],
)
def test_an_images_name_says_nothing_of_why_it_cannot_be_pulled(message, hopeless):
    state = {"waiting": {"reason": "ErrImagePull", "message": message}}
    status = {"containerStatuses": [{"name": "notebook", "image": "quay.io/x:503", "state": state}]}
    assert pod_status.trouble(pod(status)).hopeless is hopeless


@pytest.mark.parametrize(
    ("secrets", "message", "hopeless"),
    [
        ([{"name": "registry"}], "pull access denied, repository does not exist or may require authorization", False),
        ([{"name": "registry"}], "401 Unauthorized", False),
        ([{"name": "registry"}], "manifest unknown", True),
        ([], "401 Unauthorized", True),
    ],
)
def test_a_pull_that_is_denied_may_pass_where_the_pod_names_a_pull_secret(secrets, message, hopeless):
    denied = pod(container(state={"waiting": {"reason": "ErrImagePull", "message": message}}))
    denied["spec"] = {"imagePullSecrets": secrets}
    assert pod_status.trouble(denied).hopeless is hopeless


def test_a_gate_that_holds_a_pod_back_is_named():
    gated = pod({"phase": "Pending", "conditions": [NO_ROOM | {"reason": "SchedulingGated"}]})
    gated["spec"] = {"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]}
    found = pod_status.trouble(gated)
    assert (found.code, found.hopeless, found.grace) == ("scheduling_gated", False, None)
    assert "kueue.x-k8s.io/admission" in found.error.message


@pytest.mark.parametrize(
    ("state", "code"), [(ended(0), 0), (ended(3), 3), (ended(137, reason="OOMKilled"), 137), (ended(143), 143)]
)
def test_the_exit_code_of_a_program_is_a_fact_of_its_end(state, code):
    assert pod_status.ending(pod(container(state=state))).facts["exit_code"] == code


def test_a_pod_without_anything_known_is_not_said_to_have_ended_well():
    assert pod_status.ending(pod({"phase": "Failed"})).code == "pod_ended"


TAINTED = "{node-role.kubernetes.io/control-plane: }"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("3 Insufficient memory.", "unschedulable"),
        ("3 Insufficient nvidia.com/gpu.", "unschedulable"),
        ("1 Insufficient cpu, 2 node(s) had untolerated taint {a: b}.", "unschedulable"),
        ("1 Insufficient cpu, 2 node(s) had volume node affinity conflict.", "unschedulable"),
        ("1 Too many pods, 2 node(s) didn't match Pod's node affinity/selector.", "node_limit_reached"),
        ("3 node(s) exceed max volume count.", "node_limit_reached"),
        ("pod has unbound immediate PersistentVolumeClaims.", "volume_unavailable"),
        ('persistentvolumeclaim "shared" not found.', "volume_unavailable"),
        ("3 node(s) had volume node affinity conflict.", "volume_unavailable"),
        ("3 node(s) didn't find available persistent volumes to bind.", "volume_unavailable"),
        ("3 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).", "volume_unavailable"),
        (f"1 node(s) had untolerated taint {TAINTED}, 2 node(s) didn't match Pod's node affinity.", "no_matching_node"),
        ("3 node(s) didn't match pod topology spread constraints.", "no_matching_node"),
        ("3 node(s) didn't have free ports for the requested pod ports.", "no_matching_node"),
        ("3 node(s) had untolerated taint {nvidia.com/gpu: present}.", "untolerated_taint"),
        ("3 node(s) had taint {Insufficient: cpu}, that the pod didn't tolerate.", "untolerated_taint"),
        ("3 node(s) were unschedulable.", "untolerated_taint"),
        ("3 something new.", "unschedulable"),
    ],
)
def test_a_scheduler_that_has_no_machine_says_what_is_missing(message, code):
    tail = " preemption: 0/3 nodes are available: 3 Insufficient cpu, 3 Preemption is not helpful for scheduling."
    status = {"conditions": [NO_ROOM | {"message": f"0/3 nodes are available: {message}{tail}"}]}
    found = pod_status.trouble(pod(status))
    assert found.code == code
    assert "preemption" not in found.error.message
    assert message.rstrip(".") in found.error.message


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
    ids=lambda behaviour: type(behaviour).__name__,
)
def test_ready_and_over_are_what_the_kubelet_says(behaviour, ready, over):
    (found,) = statuses(behaviour)
    assert (pod_status.is_ready(found), pod_status.is_over(found)) == (ready, over)


def test_a_pod_that_is_being_deleted_is_not_ready():
    (found,) = statuses(Ready())
    assert not pod_status.is_ready(pod(found["status"], deletionTimestamp="2026-01-01T00:00:00Z"))


def test_each_crash_counts_once():
    assert [pod_status.crashes(status) for status in statuses(Crash(), 4)] == [1, 1, 2, 3]


@given(st.text(max_size=1000), st.sampled_from(["ErrImagePull", "CreateContainerConfigError", "RunContainerError"]))
def test_whatever_the_kubelet_writes_is_reported_as_one_bounded_sentence(text, reason):
    terminated = container(state=ended(1, message=text))
    for status in (waiting(reason, text), terminated, {"conditions": [NO_ROOM | {"message": text}]}):
        sentence = pod_status.trouble(pod(status)).error.message
        assert len(sentence.splitlines()) == 1
        assert sentence.endswith(".")
        assert not sentence.endswith(("..", ": ."))
        assert len(sentence) < 400


def test_what_a_program_wrote_is_cleaned_before_it_is_cut():
    secret = "s3cr3t-" * 5
    message = f"{'x' * 285} {secret}"
    ended = {"terminated": {"exitCode": 1, "message": message}}
    pod = {"metadata": {}, "status": {"containerStatuses": [{"name": "notebook", "state": ended}]}}
    error = pod_status.ending(pod, quote=Scrubber([secret]))
    assert "s3cr3t" not in error.message


@pytest.mark.parametrize("statuses", ["containerStatuses", "initContainerStatuses"])
def test_the_cut_word_of_a_full_message_is_dropped(statuses):
    secret = "abc-7q9Zk2Lm4Xw8-" + "word" * 3
    for cut in (secret[3:], f"\ufffd{secret[5:]}", secret[-3:]):
        message = f"{cut} was wrong" + " " * 2040
        terminated = {"terminated": {"exitCode": 1, "message": message}}
        pod = {"metadata": {}, "status": {"phase": "Failed", statuses: [{"name": "notebook", "state": terminated}]}}
        error = pod_status.ending(pod, quote=Scrubber([secret]))
        assert error.message.endswith("exit code 1: was wrong.")
    assert (
        "exit code 1."
        in pod_status.ending(
            {
                "metadata": {},
                "status": {statuses: [{"name": "n", "state": {"terminated": {"exitCode": 1, "message": "y" * 2048}}}]},
            }
        ).message
    )

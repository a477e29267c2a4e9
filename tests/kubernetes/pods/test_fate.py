"""A pod's fate is that of its own container, whatever is beside it or came before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.domain import labels
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.kubernetes.pods.containers import own_container

OWN = "notebook"
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
STARTING = {"waiting": {"reason": "PodInitializing"}}


def ended(code, reason="", **more):
    return {"terminated": {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), **more}}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def status(name, state, *, ready=False, restarts=0, last=None):
    return {
        "name": name,
        "image": "x",
        "state": state,
        "ready": ready and "running" in state,
        "started": "running" in state,
        "restartCount": restarts,
        "lastState": last or {},
    }


def ends_for_good(container, policy):
    code = container["state"].get("terminated", {}).get("exitCode")
    return code is not None and (policy == "Never" or (policy == "OnFailure" and code == 0))


def pod(own, *, policy="OnFailure", beside=(), native=(), inits=(), reported=None, **metadata):
    """Make a pod as a kubelet would report it: its phase and conditions are those of all containers together."""
    containers = sorted([own, *beside], key=lambda entry: entry["name"])
    alive = [entry for entry in (*containers, *native) if not ends_for_good(entry, policy)]
    codes = [container["state"].get("terminated", {}).get("exitCode", 0) for container in containers]
    phase = "Running" if alive else "Failed" if any(codes) else "Succeeded"
    ok = "True" if all(entry["ready"] for entry in (*containers, *native)) else "False"
    conditions = [{"type": type_, "status": ok} for type_ in ("Ready", "ContainersReady")]
    return {
        "metadata": {"name": "lab", "uid": "u", "annotations": {labels.CONTAINER: OWN}, **metadata},
        "spec": {
            "restartPolicy": policy,
            "initContainers": [
                *({"name": init["name"]} for init in inits),
                *({"name": entry["name"], "restartPolicy": "Always"} for entry in native),
            ],
            "containers": [{"name": entry["name"]} for entry in (*beside, own)],
        },
        "status": {
            "phase": phase,
            "podIP": "10.0.0.1",
            "conditions": conditions,
            "initContainerStatuses": [*inits, *native],
            "containerStatuses": containers,
            **(reported or {}),
        },
    }


ENDS = st.sampled_from([ended(0), ended(1), ended(137, "OOMKilled"), ended(143)])
WAITS = st.sampled_from(
    [
        waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container"),
        waiting("ErrImagePull", "manifest unknown"),
        waiting("CreateContainerConfigError", 'secret "x" not found'),
        waiting("PostStartHookError", "it failed"),
        waiting("SomethingNew", "nobody has heard of it"),
    ]
)
STATES = st.one_of(st.just(RUNNING), ENDS, WAITS)


def statuses(names, states=STATES):
    one = st.builds(
        status,
        st.sampled_from(names),
        states,
        ready=st.booleans(),
        restarts=st.integers(0, 50),
        last=st.one_of(st.just({}), ENDS),
    )
    return st.lists(one, max_size=3, unique_by=lambda entry: entry["name"])


OWNS = st.builds(
    status, st.just(OWN), STATES, ready=st.booleans(), restarts=st.integers(0, 8), last=st.one_of(st.just({}), ENDS)
)
BESIDE = statuses(["aaa", "git", "proxy", "zzz"])
NATIVE = statuses(["mesh", "logs"])
DONE = statuses(["first", "second"], st.just(ended(0)))
POLICIES = st.sampled_from(["Always", "OnFailure", "Never"])


def fate(pod):
    trouble = pod_status.trouble(pod)
    return {
        "ready": pod_status.is_ready(pod),
        "over": pod_status.is_over(pod),
        "lost": pod_status.is_lost(pod),
        "succeeded": pod_status.has_succeeded(pod),
        "crashes": pod_status.crashes(pod),
        "failed starts": pod_status.failed_starts(pod),
        "trouble": trouble and (trouble.code, trouble.error.message, trouble.hopeless),
        "ending": pod_status.ending(pod).message,
    }


@given(own=OWNS, policy=POLICIES, beside=BESIDE, native=NATIVE, inits=DONE)
def test_a_pods_fate_is_that_of_its_own_container(own, policy, beside, native, inits):
    assert fate(pod(own, policy=policy, beside=beside, native=native, inits=inits)) == fate(pod(own, policy=policy))


@given(own=OWNS, beside=BESIDE, native=NATIVE)
def test_each_container_in_trouble_beside_the_program_is_named_and_no_other(own, beside, native):
    named = {name for name, _ in pod_status.side_troubles(pod(own, beside=beside, native=native))}
    calm = {entry["name"] for entry in (*beside, *native) if not is_bad(entry)}
    assert named == {entry["name"] for entry in (*beside, *native)} - calm
    assert OWN not in named


def is_bad(entry):
    codes = [entry[state].get("terminated", {}).get("exitCode") for state in ("state", "lastState")]
    code = codes[0] if codes[0] is not None else codes[1]
    waits = entry["state"].get("waiting", {}).get("reason", "CrashLoopBackOff")
    again = "waiting" in entry["state"] and code == 0 and entry["restartCount"] > 0
    return waits != "CrashLoopBackOff" or bool(code) or again


@pytest.mark.parametrize(
    ("policy", "code", "over"),
    [
        ("OnFailure", 0, True),
        ("OnFailure", 1, False),
        ("Always", 0, False),
        ("Always", 1, False),
        ("Never", 0, True),
        ("Never", 1, True),
    ],
)
def test_a_program_that_is_not_started_again_has_ended_beside_a_living_sidecar(policy, code, over):
    beside = status("side", RUNNING, ready=True)
    found = pod(status(OWN, ended(code)), policy=policy, beside=[beside])
    assert found["status"]["phase"] == "Running"
    assert (pod_status.is_over(found), pod_status.is_lost(found)) == (over, over)
    assert pod_status.is_over(pod(status(OWN, ended(code)), policy=policy, beside=[beside], deletionTimestamp="now"))


@pytest.mark.parametrize(
    ("rule", "over"),
    [
        ({"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}, False),
        ({"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [42]}}, True),
        ({"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}, True),
    ],
)
def test_a_containers_own_restart_rules_go_before_the_pods(rule, over):
    found = pod(status(OWN, ended(42)), policy="Never", beside=[status("side", RUNNING, ready=True)])
    found["spec"]["containers"][-1]["restartPolicyRules"] = [rule]
    assert pod_status.is_over(found) is over


@pytest.mark.parametrize(
    ("reported", "gates", "ready"),
    [
        ({"Ready": "False", "ContainersReady": "False"}, [], True),
        ({"Ready": "False", "ContainersReady": "True"}, [], False),  # its machine is lost: nobody asks its containers
        ({"Ready": "False", "ContainersReady": "False", "example.org/lb": "False"}, ["example.org/lb"], False),
        ({"Ready": "False", "ContainersReady": "False"}, ["example.org/lb"], False),
        ({"Ready": "False", "ContainersReady": "False", "example.org/lb": "True"}, ["example.org/lb"], True),
    ],
)
def test_only_a_sidecar_may_be_unready(reported, gates, ready):
    found = pod(status(OWN, RUNNING, ready=True), beside=[status("side", ended(0))])
    found["status"]["conditions"] = [{"type": name, "status": value} for name, value in reported.items()]
    found["spec"]["readinessGates"] = [{"conditionType": name} for name in gates]
    assert pod_status.is_ready(found) is ready


@pytest.mark.parametrize("more", [{"reason": "NodeLost"}, {"phase": "Unknown"}])
def test_a_pod_whose_machine_is_lost_is_not_ready_beside_an_unready_sidecar(more):
    own = status(OWN, RUNNING, ready=True)
    assert not pod_status.is_ready(pod(own, beside=[status("side", ended(0))], reported=more))


def test_a_program_that_runs_is_not_given_up_for_what_it_did_long_ago():
    last = ended(1, startedAt="2025-12-01T00:00:00Z", finishedAt="2025-12-01T00:00:05Z")
    busy = pod(status(OWN, RUNNING, restarts=9, last=last))
    assert not pod_status.is_lost(busy)
    busy["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-20T00:00:00Z"
    assert pod_status.trouble(busy) is None
    busy["status"]["conditions"][0]["lastTransitionTime"] = "2025-12-01T00:00:05Z"
    assert pod_status.trouble(busy).code == "pod_crashed"
    assert pod_status.is_lost(pod(status(OWN, waiting("CrashLoopBackOff"), restarts=9, last=last)))


AT_NOON = "2026-01-01T12:00:00Z"


@pytest.mark.parametrize(
    ("finished", "more", "succeeded"),
    [
        (AT_NOON, {}, True),
        (AT_NOON, {"reported": {"phase": "Failed", "reason": "Evicted"}}, False),
        (AT_NOON, {"deletionTimestamp": "2026-01-01T12:00:29Z", "deletionGracePeriodSeconds": 30}, False),
        (AT_NOON, {"deletionTimestamp": "2026-01-01T12:00:40Z", "deletionGracePeriodSeconds": 30}, True),
        (None, {"deletionTimestamp": "2026-01-01T12:00:40Z", "deletionGracePeriodSeconds": 30}, False),
    ],
    ids=["by itself", "evicted", "deleted", "deleted afterwards", "not known when"],
)
def test_a_program_that_ends_well_when_the_cluster_ends_it_has_not_succeeded(finished, more, succeeded):
    found = pod(status(OWN, ended(0, finishedAt=finished)), policy="Never", **more)
    assert pod_status.has_succeeded(found) is succeeded
    assert pod_status.is_over(found)


@pytest.mark.parametrize("native", [False, True], ids=["init container", "native sidecar"])
def test_what_blocks_the_start_is_what_is_waited_for_in_its_own_name(native):
    blocking = status("setup", waiting("CrashLoopBackOff"), restarts=3, last=ended(7))
    before = {"native": [blocking]} if native else {"inits": [blocking]}
    found = pod(status(OWN, STARTING), reported={"phase": "Pending"}, **before)
    assert "setup" in pod_status.trouble(found).error.message
    assert (pod_status.failed_starts(found), pod_status.crashes(found)) == (3, 0)


def test_an_init_container_that_failed_for_good_is_named():
    found = pod(status(OWN, STARTING), policy="Never", inits=[status("setup", ended(7))], reported={"phase": "Failed"})
    assert pod_status.is_over(found)
    assert pod_status.ending(found).message == "The container setup ended by itself with exit code 7."


@pytest.mark.parametrize(("seconds", "lost"), [(5, True), (700, False)])
def test_many_ends_with_long_runs_between_them_are_no_crash_loop(seconds, lost):
    finished = f"2026-01-01T00:{seconds // 60:02d}:{seconds % 60:02d}Z"
    last = ended(1, startedAt="2026-01-01T00:00:00Z", finishedAt=finished)
    own = status(OWN, waiting("CrashLoopBackOff"), restarts=pod_status.MANY_CRASHES, last=last)
    assert pod_status.is_lost(pod(own)) is lost


def test_the_own_container_of_a_pod_without_the_annotation_is_its_first():
    found = pod(status(OWN, RUNNING), beside=[status("aaa", RUNNING)])
    found["spec"]["containers"].reverse()
    found["metadata"]["annotations"] = None
    assert own_container(found) == OWN

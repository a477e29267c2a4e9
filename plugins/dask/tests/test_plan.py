"""What is decided about a cluster's workers: pure functions."""

from __future__ import annotations

import pytest
from spawnpenny_dask.desired_workers import CALM, Adaptive, RetiringWorkers
from spawnpenny_dask.scheduler_client import State
from spawnpenny_dask.shutdown import Limits
from spawnpenny_dask.workers import Plan, plan


def pod(number, phase="Running", **metadata):
    created = f"2026-11-23T06:00:{number:02d}Z"
    return {
        "metadata": {"name": f"w-{number}", "creationTimestamp": created, **metadata},
        "status": {"phase": phase},
    }


PODS = [pod(number) for number in range(5)]


@pytest.mark.parametrize(
    ("desired", "registered", "removed", "retired"),
    [
        (5, "", [], 0),
        (4, "", ["w-4"], 0),
        (0, "", ["w-4", "w-3", "w-2", "w-1", "w-0"], 0),
        (2, "01", ["w-4", "w-3", "w-2"], 0),
        (1, "01", ["w-4", "w-3", "w-2"], 1),
        (2, "34", ["w-2", "w-1", "w-0"], 0),
        (0, "01234", [], 5),
    ],
)
def test_pending_workers_go_first_and_the_newest_before_older_ones(desired, registered, removed, retired):
    done = plan(desired, PODS, {f"w-{number}": "running" for number in registered})
    assert [removed_pod["metadata"]["name"] for removed_pod in done.remove] == removed
    assert (done.start, done.retire) == (0, retired)


def test_what_may_be_at_work_stays_while_the_scheduler_does_not_tell():
    assert plan(0, PODS, None) == Plan()
    assert [removed_pod["metadata"]["name"] for removed_pod in plan(0, [*PODS, pod(5, "Pending")], None).remove] == [
        "w-5"
    ]


def test_what_is_over_is_removed_and_what_leaves_is_replaced():
    pods = [pod(0, "Failed"), pod(1, "Succeeded"), pod(2, deletionTimestamp="now"), pod(3), pod(4)]
    done = plan(3, pods, {"w-3": "running", "w-4": "closing_gracefully"})
    assert [removed_pod["metadata"]["name"] for removed_pod in done.remove] == ["w-0", "w-1"]
    assert (done.start, done.retire) == (2, 0)


@pytest.mark.parametrize("code", [0, 1])
def test_a_worker_that_ended_beside_a_living_sidecar_is_replaced(code):
    """A webhook puts a proxy beside each worker, first and for ever: the pod never ends as a whole."""
    ended, runs = {"terminated": {"exitCode": code}}, {"running": {}}
    statuses = [{"name": "proxy", "state": runs}, {"name": "worker", "state": ended}]
    existing = pod(0, annotations={"spawnpenny.io/container": "worker"})
    existing |= {"spec": {"restartPolicy": "Never", "containers": [{"name": "proxy"}, {"name": "worker"}]}}
    existing["status"]["containerStatuses"] = statuses
    done = plan(1, [existing], {"w-0": "running"})
    assert ([removed_pod["metadata"]["name"] for removed_pod in done.remove], done.start) == (["w-0"], 1)
    statuses[0]["state"], statuses[1]["state"] = ended, runs
    assert plan(1, [existing], {"w-0": "running"}) == Plan()


def test_what_the_scheduler_let_go_is_not_counted_and_its_end_is_no_failure():
    now = 0.0
    retiring = RetiringWorkers(lambda: now)
    retiring.add(["w-0", "w-1"])
    registered = retiring.seen_in({"w-1": "running", "w-2": "running"})  # the data of w-1 had nowhere to go
    assert plan(2, PODS[:3], registered) == Plan()
    assert ("w-0" in retiring, "w-1" in retiring) == (True, False)
    now = 31.0
    assert "w-0" not in retiring.seen_in({})


def test_adaptive_goes_up_at_once_and_down_only_when_less_has_done_for_a_while():
    adaptive, count, counts = Adaptive(), 0, []
    for second, target in enumerate([3, 0, 5, 1, 1, 4, 1, 1, 2, 1, 0, 0, 0, 0, 0, 0]):
        count = adaptive.desired(float(second), target, count)
        counts.append(count)
    assert counts == [3, 3, 5, 5, 5, 5, 5, 4, 4, 4, 2, 2, 2, 1, 0, 0]
    assert CALM == 4


@pytest.mark.parametrize(
    ("limits", "state", "age", "code"),
    [
        (Limits(idle=60), State(idle=60.0), 61, "cluster_idle"),
        (Limits(idle=60), State(idle=59.0), 61, None),
        (Limits(idle=60), State(), 61, None),
        (Limits(idle=60, alone=60), None, 1000, None),
        (Limits(alone=60), State(alone=60.0, idle=60.0), 61, "cluster_alone"),
        (Limits(), State(alone=1e6, idle=1e6), 1e6, None),
        (Limits(lifetime=3600), None, 3600, "cluster_lifetime"),
    ],
)
def test_a_cluster_ends_when_a_limit_is_reached_and_never_for_a_scheduler_that_does_not_tell(limits, state, age, code):
    end = limits.exceeded(state, age)
    assert (end and end.code) == code


@pytest.mark.parametrize(("limits", "silence", "ends"), [(60, 60.0, True), (60, 59.0, False), (0, 1e6, False)])
def test_a_scheduler_that_answers_nobody_ends_its_cluster_as_an_idle_one_would(limits, silence, ends):
    end = Limits(idle=limits).hung(silence)
    assert (end is not None) is ends
    assert end is None or end.message == "The cluster's scheduler has not answered for 1 minute."

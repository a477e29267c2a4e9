"""Decisions about a cluster's workers, and how its state is read: pure functions."""

from __future__ import annotations

import pytest
from spawnpenny_ray.desired_workers import plan
from spawnpenny_ray.head_client import State, _state
from spawnpenny_ray.shutdown import Limits


def pod(number, phase="Running", **metadata):
    created = f"2026-11-23T06:00:{number:02d}Z"
    status = {"phase": phase, **({"podIP": f"10.0.0.{number}"} if phase != "Pending" else {})}
    return {"metadata": {"name": f"w-{number}", "creationTimestamp": created, **metadata}, "status": status}


PODS = [pod(number) for number in range(4)]


def state(busy="", keeping="", nodes="0123"):
    return State({f"10.0.0.{node}": node for node in nodes}, frozenset(busy), frozenset(keeping), idle=not busy)


@pytest.mark.parametrize(
    ("desired", "now", "start", "removed"),
    [
        (6, state(), 2, []),
        (4, state(), 0, []),
        (2, state(), 0, ["w-3", "w-2"]),
        (2, state(busy="23"), 0, ["w-1", "w-0"]),
        (2, state(busy="3", keeping="2"), 0, ["w-1", "w-0"]),
        (1, state(busy="3", keeping="2"), 0, ["w-1", "w-0", "w-2"]),
        (2, state(busy="023", nodes="023"), 0, ["w-1", "w-3"]),
        (0, state(busy="0123"), 0, ["w-3", "w-2", "w-1", "w-0"]),
        (1, None, 0, []),
    ],
)
def test_workers_without_work_go_first_and_none_if_the_head_does_not_answer(desired, now, start, removed):
    todo = plan(desired, PODS, now)
    assert (todo.start, [pod["metadata"]["name"] for pod in todo.remove]) == (start, removed)


def test_what_has_ended_is_replaced_what_leaves_is_not_counted_and_what_waits_goes_without_an_answer():
    ended, leaving, waiting = pod(7, "Failed"), pod(8, deletionTimestamp="now"), pod(9, "Pending")
    todo = plan(4, [*PODS[:3], ended, leaving], state())
    assert (todo.start, todo.remove) == (1, (ended,))
    assert plan(3, [*PODS[:3], waiting], None).remove == (waiting,)


def answer(rows):
    return {"data": {"result": {"result": rows}}}


def status(usage=None, demand=()):
    load = {"usageByNode": usage, "resourceDemand": list(demand), "pgDemand": []}
    return {"data": {"clusterStatus": {"loadMetricsReport": load}}}


USAGE = {
    "a": {"CPU": [0.0, 1.0], "objectStoreMemory": [5.0, 9.0]},
    "b": {"CPU": [1.0, 1.0], "objectStoreMemory": [0.0, 9.0]},
}


@pytest.mark.parametrize(
    ("answers", "busy", "idle"),
    [
        ((answer([]), status(), answer([]), answer([])), "", True),
        ((answer([]), status({"a": USAGE["a"]}), answer([]), answer([])), "", True),
        ((answer([]), status(USAGE), answer([]), answer([])), "b", False),
        ((answer([]), status(demand=[[{"CPU": 9}, 1]]), answer([]), answer([])), "", False),
        ((answer([]), status(), answer([{"node_id": "c"}]), answer([])), "c", False),
        ((answer([]), status(), answer([{"node_id": None}]), answer([])), "", False),
        ((answer([]), status(), answer([]), answer([{"node_id": "d"}])), "d", False),
    ],
)
def test_a_cluster_is_idle_without_task_actor_and_demand(answers, busy, idle):
    found = _state(*answers)
    assert ("".join(sorted(found.busy)), found.idle) == (busy, idle)


def test_data_in_an_object_store_is_known_by_its_node():
    assert _state(answer([]), status(USAGE), answer([]), answer([])).keeping == {"a"}


@pytest.mark.parametrize(
    ("limits", "idle", "age", "silence", "code"),
    [
        (Limits(idle=60), 60.0, 61, 0, "ray_idle"),
        (Limits(idle=60), 59.0, 61, 0, None),
        (Limits(idle=60), None, 61, 0, None),
        (Limits(idle=60), None, 90, 60, "ray_silent"),
        (Limits(), 1e6, 1e6, 1e6, None),
        (Limits(lifetime=3600), None, 3600, 0, "ray_lifetime"),
    ],
)
def test_a_cluster_ends_when_a_limit_is_reached(limits, idle, age, silence, code):
    end = limits.exceeded(idle, age, silence)
    assert (end and end.code) == code

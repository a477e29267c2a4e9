"""Pod patches merge as Kubernetes merges; a conflict names both plugins and no value."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.pipeline.errors import PatchConflictError
from spawnpenny.pipeline.pod_patches import merge_patches


def pod(**container):
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "notebook", **container}]}}


def patch(**container):
    return {"spec": {"containers": [{"name": "notebook", **container}]}}


def merged(base, *patches):
    named = [(f"p{number}", patch) for number, patch in enumerate(patches, start=1)]
    return merge_patches(base, named, base="lab")


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("env", {"name": "A", "value": "1"}, {"name": "B", "value": "2"}),
        ("volumeMounts", {"mountPath": "/a", "name": "v"}, {"mountPath": "/b", "name": "v"}),
        ("ports", {"containerPort": 1}, {"containerPort": 2}),
        ("args", "-v", "-w"),
        ("envFrom", {"secretRef": {"name": "a"}}, {"secretRef": {"name": "a"}}),
    ],
)
def test_items_of_lists_are_added(key, one, other):
    (container,) = merged(pod(**{key: [one]}), patch(**{key: [other]}))["spec"]["containers"]
    assert container == {"name": "notebook", key: [one, other]}


@pytest.mark.parametrize(
    ("key", "item", "more"),
    [
        ("env", {"name": "A", "value": "1"}, {}),
        ("volumeMounts", {"mountPath": "/a", "name": "v"}, {"readOnly": True}),
        ("ports", {"containerPort": 1}, {"name": "http"}),
    ],
)
def test_items_with_one_merge_key_become_one(key, item, more):
    (container,) = merged(pod(**{key: [item]}), patch(**{key: [item | more]}))["spec"]["containers"]
    assert container[key] == [item | more]


@pytest.mark.parametrize("key", ["containers", "initContainers", "imagePullSecrets"])
def test_what_has_a_name_in_the_pod_is_merged_by_it(key):
    base = {"spec": {key: [{"name": "a", "x": 1}]}}
    more = {"name": "b", "image": "i"}
    assert merged(base, {"spec": {key: [{"name": "a", "y": 2}, more]}}) == {
        "spec": {key: [{"name": "a", "x": 1, "y": 2}, more]}
    }


def test_a_volume_with_two_sources_is_refused():
    one, other = ({"spec": {"volumes": [{"name": "v", source: {}}]}} for source in ("emptyDir", "secret"))
    with pytest.raises(PatchConflictError, match=r"'p1' and 'p2' give spec\.volumes"):
        merged(pod(), one, other)


def test_a_variable_with_a_value_and_a_source_is_refused():
    one, other = patch(env=[{"name": "A", "value": "1"}]), patch(env=[{"name": "A", "valueFrom": {}}])
    with pytest.raises(PatchConflictError, match="'p1' and 'p2' give"):
        merged(pod(), one, other)


def test_a_misspelt_container_is_reported_with_those_that_there_are():
    with pytest.raises(PatchConflictError, match=r"'notebok', which the pod does not have .there are 'notebook'"):
        merged(pod(), {"spec": {"containers": [{"name": "notebok", "tty": True}]}})


@pytest.mark.parametrize(
    ("base", "one", "other", "fault"),
    [
        (pod(), patch(image="s3cr3t"), patch(image="s3cr3t2"), "'p1' and 'p2' set spec.containers[notebook].image"),
        (pod(image="s3cr3t"), patch(image="s3cr3t2"), {}, "'lab' and 'p1' set spec.containers[notebook].image"),
        (
            pod(),
            patch(env=[{"name": "A", "value": "s3cr3t"}]),
            patch(env=[{"name": "A", "value": "s3cr3t2"}]),
            "'p1' and 'p2' set spec.containers[notebook].env[A].value",
        ),
        (
            pod(),
            patch(volumeMounts=[{"mountPath": "/x", "name": "s3cr3t"}]),
            patch(volumeMounts=[{"mountPath": "/x", "name": "s3cr3t2"}]),
            "'p1' and 'p2' set spec.containers[notebook].volumeMounts[/x].name",
        ),
        (pod(), {}, {"metadata": {"labels": "s3cr3t"}}, "'lab' and 'p2' set metadata.labels"),
        (pod(), {"metadata": {"labels": {"app": "s3cr3t"}}}, {}, "'lab' and 'p1' set metadata.labels.app"),
        (pod(), patch(ports={"s3cr3t": 1}), patch(ports=[]), "'p1' and 'p2' set spec.containers[notebook].ports"),
    ],
)
def test_a_disagreement_names_both_plugins_and_the_place_but_no_value(base, one, other, fault):
    with pytest.raises(PatchConflictError) as refused:
        merged(base, one, other)
    assert str(refused.value) == f"The plugins {fault} of the pod to different values."


def test_two_plugins_that_agree_are_no_conflict():
    assert merged(pod(), patch(image="x"), patch(image="x")) == pod(image="x")


def test_neither_the_pod_nor_the_patches_are_changed():
    base, one, other = pod(env=[]), patch(env=[{"name": "A", "value": "1"}]), patch(env=[{"name": "A", "x": {}}])
    before = copy.deepcopy((base, one, other))
    merged(base, one, other)["spec"]["containers"][0]["env"][0]["x"]["y"] = 1
    assert (base, one, other) == before


MAPS = st.recursive(
    st.sampled_from(["1", "2"]), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6
)
PATCHES = st.lists(st.dictionaries(st.sampled_from("abc"), MAPS, max_size=3), max_size=4)


def outcome(patches):
    try:
        return merged({}, *patches)
    except PatchConflictError:
        return "conflict"


@given(PATCHES)
def test_maps_merge_to_the_same_in_any_order(patches):
    assert outcome(patches) == outcome(patches[::-1])


@given(PATCHES)
def test_merging_the_same_maps_twice_changes_nothing(patches):
    assert outcome(patches) == outcome(patches * 2)

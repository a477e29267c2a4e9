"""The fence: what the service and the broker do goes through it, and what a thief of their tokens tries does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from spawnpenny.pipeline.errors import HardeningError
from spawnpenny.pipeline.pod_hardening import check_pod
from spawnpenny.pipeline.pod_openings import OPENINGS
from tests.kit.fence import load_policies

HERE = Path(__file__).parent
POLICIES = load_policies(HERE.parents[1] / "kustomize/base/policy.yaml")
FORBIDDEN = yaml.safe_load((HERE / "forbidden.yaml").read_text())
ALLOWED = yaml.safe_load((HERE / "allowed.yaml").read_text())
WRITES = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}
THEFTS = [(entry["theft"], entry["by"]) for entry in FORBIDDEN]
OPENED = [(entry["theft"], entry["by"]) for entry in FORBIDDEN if "opening" in entry]
USES = [(entry["use"], entry["by"]) for entry in ALLOWED]
PODS = [(entry["use"], entry["by"]) for entry in ALLOWED if "pod" in entry and entry["by"] == "service"]
VALIDATIONS = [
    (name.removeprefix("spawnpenny-"), validation.name)
    for name, policy in POLICIES.items()
    for validation in policy.validations
]


def refusals(verdicts):
    assert [verdict.error for verdict in verdicts if verdict.value is None] == []
    return [verdict.expression for verdict in verdicts if not verdict.value]


def test_all_that_the_service_and_the_broker_do_is_recorded_and_admitted(scene, policies):
    fence = scene.fence(policies)
    assert not scene.missed
    for admission in scene.recorded:
        verdicts = [verdict for policy in fence.values() for verdict in policy.judge(admission)]
        assert verdicts, admission
        assert [refusal.message for refusal in refusals(verdicts)] == [], admission


def test_every_right_to_write_that_they_are_given_is_among_what_is_admitted(scene):
    done = {
        (
            place(scene.names, admission.request.get("namespace")),
            admission.request["resource"]["resource"],
            admission.request["operation"],
        )
        for admission in (*scene.recorded, *(admission for _, admission in scene.allowed.values()))
    }
    missing = {right for role in scene.roles for right in rights(scene.names, role)} - done
    assert missing == set()


def rights(names, role):
    """Yield what a role lets its account write, and where."""
    where = place(names, role["metadata"].get("namespace"))
    for rule in role["rules"]:
        for verb in set(rule["verbs"]) & set(WRITES):
            yield from ((where, resource, WRITES[verb]) for resource in rule["resources"])


def place(names, namespace):
    """Return which of our own namespaces one is, or that it is a user's."""
    return {names[key]: key for key in ("state", "provision", "broker")}.get(namespace, "tenant")


@pytest.mark.parametrize("key", USES, ids=" by ".join)
def test_other_uses_are_admitted(key, scene, policies):
    entry, admission = scene.allowed[key]
    policy = scene.fence(policies, entry)[entry["by"]]
    assert [refusal.message for refusal in refusals(policy.judge(admission))] == []


@pytest.mark.parametrize("key", THEFTS, ids=" by ".join)
def test_a_theft_is_refused_with_the_reason(key, scene, policies):
    entry, admission = scene.forbidden[key]
    policy = scene.fence(policies, entry)[entry["by"]]
    messages = [refusal.message for refusal in refusals(policy.judge(admission))]
    assert any(entry["says"] in message for message in messages), messages


@pytest.fixture(scope="module")
def refused(scene, policies):
    """Which validations refuse each theft: those without which it succeeds are alone."""
    return [
        (
            entry["by"],
            [refusal.name for refusal in refusals(scene.fence(policies, entry)[entry["by"]].judge(admission))],
        )
        for entry, admission in scene.forbidden.values()
    ]


@pytest.mark.parametrize(("by", "name"), VALIDATIONS)
def test_without_any_one_validation_a_theft_succeeds(by, name, refused):
    assert (by, [name]) in refused


@pytest.mark.parametrize("key", OPENED, ids=" by ".join)
def test_what_a_site_opens_is_admitted_and_nothing_else(key, scene, policies):
    entry, admission = scene.forbidden[key]
    for opening in OPENINGS:
        given = set(entry.get("opened", ())) | {opening} - {"hostPath"}
        paths = ["/srv/scratch"] if opening == "hostPath" else []
        fence = scene.fence(policies, {**entry, "opened": sorted(given), "paths": paths})
        implied = (opening, entry["opening"]) == ("hostNetwork", "hostPort")  # the API server sets the ports itself
        admitted = not refusals(fence[entry["by"]].judge(admission))
        assert admitted is (opening == entry["opening"] or implied), opening


@pytest.mark.parametrize("key", [key for key in OPENED if key[1] == "service"], ids=" by ".join)
def test_the_fence_and_the_pipeline_have_the_same_rules_for_pods(key, scene):
    entry, admission = scene.forbidden[key]
    other = [opening for opening in OPENINGS if opening != entry["opening"]]
    with pytest.raises(HardeningError, match=entry["opening"]):
        check_pod(admission.object, allowed=other, images=["*"])
    check_pod(admission.object, allowed=[*entry.get("opened", ()), entry["opening"]], images=["*"])


@pytest.mark.parametrize("key", PODS, ids=" by ".join)
def test_a_pod_that_the_fence_admits_keeps_the_rules_of_the_pipeline(key, scene):
    entry, admission = scene.allowed[key]
    paths = ["hostPath"] if "paths" in entry else []
    check_pod(admission.object, allowed=[*entry.get("opened", ()), *paths], images=["*"])


def test_each_opening_of_the_pipeline_is_tried():
    assert {entry["opening"] for entry in FORBIDDEN if entry["by"] == "service" and "opening" in entry} == set(OPENINGS)


def test_nobody_else_is_affected(scene, policies):
    for entry, admission in scene.forbidden.values():
        other = {"service": "broker", "broker": "service"}[entry["by"]]
        assert scene.fence(policies)[other].judge(admission) == []
        assert [verdict.value for verdict in scene.fence(policies)[other].matches(admission)] == [False]


def test_each_expression_is_seen_true_and_false_and_none_fails(scene, policies):
    seen = set()
    everything = [
        *scene.forbidden.values(),
        *scene.allowed.values(),
        *(({}, admission) for admission in scene.recorded),
    ]
    for entry, admission in everything:
        for name, policy in scene.fence(policies, entry).items():
            for verdict in (*policy.matches(admission), *policy.judge(admission)):
                assert verdict.error == "", (admission, verdict.expression.source)
                seen.add((name, verdict.expression.name, verdict.value))
    desired = {
        (name.removeprefix("spawnpenny-"), expression.name, value)
        for name, policy in policies.items()
        for expression in (*policy.conditions, *policy.validations)
        for value in (True, False)
    }
    assert seen == desired


def test_an_api_server_that_evaluates_policies_judges_as_the_kit_does(apiserver, scene, policies):
    assert (scene.answered is not None) is apiserver.discovery.evaluates_policies
    if scene.answered is None:  # before Kubernetes 1.30 there is nobody else to ask
        return
    differ = {}
    for key, (entry, admission) in scene.sent.items():
        ours = [refusal.message for refusal in refusals(scene.fence(policies, entry)[entry["by"]].judge(admission))]
        answer = scene.answered[key]  # the first rule that refuses, where several do
        if answer not in (ours or [None]):
            differ[key] = (ours, answer)
    assert len(scene.sent) == len(THEFTS) + len(USES)
    assert differ == {}

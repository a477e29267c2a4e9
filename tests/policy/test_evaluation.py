"""The evaluation of policies follows the documentation of ValidatingAdmissionPolicy and the specification of CEL."""

from __future__ import annotations

import pytest

from tests.kit.admission import Admission
from tests.kit.fence import Policy

EVERYTHING = {
    "apiGroups": ["*"],
    "apiVersions": ["*"],
    "operations": ["CREATE"],
    "resources": ["*/*"],
    "scope": "*",
}


def policy(*validations, conditions=("true",), variables=None, excluded=(), **rule):
    return Policy.of(
        {
            "metadata": {"name": "p"},
            "spec": {
                "failurePolicy": "Fail",
                "matchConditions": [{"name": "c", "expression": condition} for condition in conditions],
                "variables": [
                    {"name": name, "expression": expression} for name, expression in (variables or {}).items()
                ],
                "matchConstraints": {"resourceRules": [{**EVERYTHING, **rule}], "excludeResourceRules": list(excluded)},
                "validations": [{"expression": validation, "message": "m"} for validation in validations],
            },
        }
    )


def admission(resource="pods", subresource="", group="", namespace="n"):
    attempt = {
        "operation": "CREATE",
        "resource": {"group": group, "version": "v1", "resource": resource},
        "kind": {"group": group, "version": "v1", "kind": "Namespace" if resource == "namespaces" else "X"},
        "userInfo": {"username": "u"},
    }
    more = {"subResource": subresource, "namespace": namespace}
    attempt |= {key: value for key, value in more.items() if value}
    return Admission(attempt, {"metadata": {"labels": {"a/b": "c"}}, "spec": {"list": [{"x": 1}, {}]}}, None, None)


def values(policy, attempt=None):
    return [verdict.value for verdict in policy.judge(attempt or admission())]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("object.spec.none == 1", None),
        ("object.spec.none == 1 || true", True),
        ("object.spec.none == 1 && false", False),
        ("object.spec.none == 1 && true", None),
        ("has(object.spec.none)", False),
        ("has(object.none.none)", None),
        ("object.metadata.labels['none'] == 'c'", None),
        ("'a/b' in object.metadata.labels && object.metadata.labels['a/b'] == 'c'", True),
        ("oldObject == null && !(oldObject != null)", True),
        ("has(oldObject.spec)", None),
        ("object.spec.list.exists(e, has(e.x) && e.x == 1)", True),
        ("object.spec.list.all(e, e.x == 1)", None),
        ("object.spec.list", None),
        ("1 == 'a'", False),
        ("'a' && true", None),
    ],
)
def test_an_expression_is_true_false_or_fails_as_the_specification_says(expression, value):
    assert values(policy(expression)) == [value]


def test_a_false_condition_skips_the_policy_whatever_else_fails_and_a_failing_one_refuses():
    assert values(policy("false", conditions=("object.none == 1", "false"))) == []
    assert values(policy("true", conditions=("object.none == 1", "true"))) == [None]


def test_a_variable_fails_who_uses_it_and_nobody_else():
    variables = {"broken": "object.none", "on_it": "variables.broken == 1", "fine": "1"}
    checked = policy("variables.on_it", "variables.on_it || true", "variables.fine == 1", variables=variables)
    assert values(checked) == [None, True, True]


@pytest.mark.parametrize(
    ("rule", "attempt", "covered"),
    [
        ({"resources": ["*"]}, admission(subresource="exec"), False),
        ({"resources": ["*/*"]}, admission(subresource="exec"), True),
        ({"resources": ["pods"]}, admission(), True),
        ({"resources": ["pods"]}, admission("secrets"), False),
        ({"resources": ["pods/exec"]}, admission(subresource="exec"), True),
        ({"resources": ["*/exec"]}, admission(subresource="attach"), False),
        ({"apiGroups": ["apps"]}, admission(), False),
        ({"operations": ["UPDATE"]}, admission(), False),
        ({"scope": "Namespaced"}, admission("namespaces"), False),
        ({"scope": "Cluster"}, admission("namespaces"), True),
    ],
)
def test_a_rule_covers_what_the_documentation_says(rule, attempt, covered):
    assert values(policy("true", **rule), attempt) == ([True] if covered else [])


def test_what_is_excluded_is_not_judged():
    excluded = [{**EVERYTHING, "apiGroups": ["apps"]}]
    assert values(policy("false", excluded=excluded), admission(group="apps")) == []
    assert values(policy("false", excluded=excluded)) == [False]


def test_a_policy_that_uses_what_is_not_evaluated_here_is_refused():
    manifest = {
        "metadata": {"name": "p"},
        "spec": {"failurePolicy": "Fail", "paramKind": {}, "matchConstraints": {}, "validations": []},
    }
    with pytest.raises(ValueError, match="paramKind"):
        Policy.of(manifest)


def test_the_manifests_of_a_policy_are_that_policy_again():
    one = policy("variables.a", conditions=("true", "1 == 1"), variables={"a": "true", "b": "variables.a"}, scope="*")
    made, binding = one.manifests("p")
    assert Policy.of(made) == one
    assert binding["spec"] == {"policyName": "p", "validationActions": ["Deny"]}

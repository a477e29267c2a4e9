"""Admission policies, evaluated as Kubernetes does, without a Kubernetes that has them.

It follows kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy: what matches, that one false
match condition skips the policy whatever else fails, that variables are evaluated when they are first used and their
errors are those of who uses them, and ``failurePolicy: Fail``. It knows what our policies use: no parameters, no
selectors, no message expressions; a policy with any of these is refused rather than misread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import cel
import yaml

from spawnpenny.kubernetes.interface import Manifest
from tests.kit.admission import Admission

_USED: Final = re.compile(r"\bvariables\.(\w+)")
_KNOWN: Final = frozenset(
    {
        "failurePolicy",
        "matchConditions",
        "variables",
        "matchConstraints",
        "resourceRules",
        "excludeResourceRules",
        "validations",
        "expression",
        "message",
        "reason",
    }
)
_FAILURES: Final = (ArithmeticError, KeyError, TypeError, ValueError, IndexError, RuntimeError)
"""What the evaluation of an expression raises; the cluster refuses then."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one expression of a policy: true, false, or the error of its evaluation."""

    expression: Expression
    value: bool | None
    error: str = ""


@dataclass(frozen=True)
class Expression:
    """One CEL expression: a match condition, a variable or a validation, with the words that it refuses with."""

    name: str
    source: str
    message: str = ""

    @cached_property
    def program(self) -> cel.Program:
        return cel.compile(self.source)

    @property
    def variables(self) -> list[str]:
        return _USED.findall(self.source)


@dataclass(frozen=True)
class Policy:
    """One ValidatingAdmissionPolicy."""

    name: str
    constraints: Mapping[str, Any]
    conditions: tuple[Expression, ...]
    variables: Mapping[str, Expression]
    validations: tuple[Expression, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> Policy:
        """Take a policy from its manifest.

        Raises:
            ValueError: It uses what is not evaluated here.

        """
        spec = manifest["spec"]
        keys = {*spec, *(key for validation in spec["validations"] for key in validation), *spec["matchConstraints"]}
        if keys - _KNOWN or spec["failurePolicy"] != "Fail":
            raise ValueError(f"This is not evaluated here: {sorted(keys - _KNOWN)}, {spec['failurePolicy']}")
        return cls(
            name=manifest["metadata"]["name"],
            constraints=spec["matchConstraints"],
            conditions=tuple(
                Expression(condition["name"], condition["expression"]) for condition in spec["matchConditions"]
            ),
            variables={
                variable["name"]: Expression(variable["name"], variable["expression"]) for variable in spec["variables"]
            },
            validations=tuple(
                Expression(f"validations[{number}]", rule["expression"], rule["message"])
                for number, rule in enumerate(spec["validations"])
            ),
        )

    def matches(self, admission: Admission) -> list[Verdict]:
        """Return what came of the match conditions, or nothing where the rules do not match the request at all."""
        rules, excluded = self.constraints["resourceRules"], self.constraints.get("excludeResourceRules", ())
        if not any(_covers(rule, admission) for rule in rules) or any(_covers(rule, admission) for rule in excluded):
            return []
        return [_evaluate(condition, _bindings(admission), {}) for condition in self.conditions]

    def judge(self, admission: Admission) -> list[Verdict]:
        """Return what came of each validation; nothing where the policy does not apply to the request.

        Where a match condition failed, and none was false, its verdict is what is returned: the request is refused.
        """
        matched = self.matches(admission)
        if not matched or any(verdict.value is False for verdict in matched):
            return []
        if failed := [verdict for verdict in matched if verdict.value is None]:
            return failed
        bindings = _bindings(admission)
        variables = _Variables(self.variables, bindings)
        return [_evaluate(validation, bindings, variables.used_by(validation)) for validation in self.validations]

    def adapted(self, username: str, **variables: str) -> Policy:
        """Return the policy for another account, with other expressions for some of its variables."""
        account = Expression(self.conditions[0].name, f"request.userInfo.username == '{username}'")
        changed = {name: Expression(name, source) for name, source in variables.items()}
        return replace(self, conditions=(account,), variables={**self.variables, **changed})

    def manifests(self, name: str) -> list[Manifest]:
        """Return the policy under a name of its own, and a binding that puts it into force for everything."""
        policy = {
            "failurePolicy": "Fail",
            "matchConstraints": dict(self.constraints),
            "matchConditions": [
                {"name": condition.name, "expression": condition.source} for condition in self.conditions
            ],
            "variables": [
                {"name": variable.name, "expression": variable.source} for variable in self.variables.values()
            ],
            "validations": [
                {"expression": validation.source, "message": validation.message} for validation in self.validations
            ],
        }
        binding = {"policyName": name, "validationActions": ["Deny"]}
        head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
        return [
            {**head, "kind": "ValidatingAdmissionPolicy", "spec": policy},
            {**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
        ]


class _Variables:
    """The variables of one evaluation: each evaluated once, when it is first used."""

    def __init__(self, expressions: Mapping[str, Expression], bindings: Mapping[str, Any]) -> None:
        self._expressions = expressions
        self._bindings = bindings
        self._values: dict[str, Any] = {}
        self._failed: set[str] = set()

    def used_by(self, expression: Expression) -> dict[str, Any]:
        """Return the variables that an expression names; one that failed is absent, and so fails its user."""
        for name in expression.variables:
            if name not in self._values and name not in self._failed:
                self._take(self._expressions[name])
        return {name: self._values[name] for name in expression.variables if name in self._values}

    def _take(self, variable: Expression) -> None:
        used = self.used_by(variable)
        try:
            self._values[variable.name] = variable.program.execute({**self._bindings, "variables": used})
        except _FAILURES:
            self._failed.add(variable.name)


def load_policies(path: Path) -> dict[str, Policy]:
    """Return the policies of a file by their names, those that a binding there puts into force for everything."""
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    bound = {name for document in documents for name in _bound(document)}
    policies = [Policy.of(document) for document in documents if document["kind"] == "ValidatingAdmissionPolicy"]
    return {policy.name: policy for policy in policies if policy.name in bound}


def _bound(manifest: Manifest) -> Iterator[str]:
    whole = manifest["kind"] == "ValidatingAdmissionPolicyBinding" and set(manifest["spec"]) == {
        "policyName",
        "validationActions",
    }
    if whole and "Deny" in manifest["spec"]["validationActions"]:
        yield manifest["spec"]["policyName"]


def _bindings(admission: Admission) -> dict[str, Any]:
    return {
        "request": admission.request,
        "object": admission.object,
        "oldObject": admission.old,
        "namespaceObject": admission.namespace,
    }


def _evaluate(expression: Expression, bindings: Mapping[str, Any], variables: Mapping[str, Any]) -> Verdict:
    try:
        value = expression.program.execute({**bindings, "variables": variables})
    except _FAILURES as error:
        return Verdict(expression, None, f"{type(error).__name__}: {error}")
    if not isinstance(value, bool):
        return Verdict(expression, None, f"{value!r} is neither true nor false")
    return Verdict(expression, value)


def _covers(rule: Mapping[str, Any], admission: Admission) -> bool:
    request = admission.request
    resource = request["resource"]
    scope = "Namespaced" if request.get("namespace") and request["kind"]["kind"] != "Namespace" else "Cluster"
    return (
        not {"*", resource["group"]}.isdisjoint(rule["apiGroups"])
        and not {"*", resource["version"]}.isdisjoint(rule["apiVersions"])
        and not {"*", request["operation"]}.isdisjoint(rule["operations"])
        and rule["scope"] in {"*", scope}
        and any(_names(pattern, resource["resource"], request.get("subResource", "")) for pattern in rule["resources"])
    )


def _names(pattern: str, resource: str, subresource: str) -> bool:
    """Return whether a rule's pattern is about a resource: ``*`` has all resources, and no subresource."""
    desired, _, below = pattern.partition("/")
    return desired in {"*", resource} and below in {"*", subresource}

"""Compare an admission policy and its binding with those of the settings, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.admin.permissions.fence import BINDING
from spawnpenny.kubernetes.interface import Manifest

_SHORT: Final = 120
_DEFAULTS: Final[Mapping[str, object]] = {
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "failurePolicy": "Fail",
    "scope": "*",
}
"""Defaults that the API server adds to a policy."""


def fence_differences(found: Manifest, desired: Manifest) -> Iterator[str]:
    """Yield a sentence for each difference between a policy or binding and the desired one."""
    compare = _of_binding if desired["kind"] == BINDING else _of_policy
    yield from compare(f"The {desired['kind']} {desired['metadata']['name']}", found["spec"], desired["spec"])


def fence_additions(found: Manifest, desired: Manifest) -> Iterator[str]:
    """Yield a sentence for each rule of a policy that is not ours: it may refuse requests that are needed."""
    if desired["kind"] == BINDING:
        return
    ours = {_plain(validation["expression"]) for validation in desired["spec"]["validations"]}
    for validation in found["spec"].get("validations") or ():
        if _plain(validation["expression"]) not in ours:
            message = validation.get("message") or _shortened(validation["expression"])
            yield f"The {desired['kind']} {desired['metadata']['name']} has a rule that is not ours: {message}"


def _of_policy(what: str, found: Manifest, desired: Manifest) -> Iterator[str]:
    if found.get("failurePolicy", "Fail") != "Fail":
        yield f"{what} admits requests if a rule cannot be evaluated (failurePolicy: {found['failurePolicy']})."
    if found.get("paramKind"):
        yield f"{what} takes parameters (paramKind), and does not apply without them."
    yield from _of_conditions(what, _named(found.get("matchConditions")), _named(desired["matchConditions"]))
    if _constraints(found.get("matchConstraints")) != _constraints(desired["matchConstraints"]):
        yield f"{what} does not match exactly the requests of its account (matchConstraints)."
    yield from _of_variables(what, _named(found.get("variables")), _named(desired["variables"]))
    rules = {_plain(validation["expression"]) for validation in found.get("validations") or ()}
    for validation in desired["validations"]:
        if _plain(validation["expression"]) not in rules:
            yield f"{what} lacks or changes the rule: {validation['message']}"


def _of_conditions(what: str, found: Mapping[str, str], desired: Mapping[str, str]) -> Iterator[str]:
    for name in found.keys() - desired.keys():
        yield f"{what} applies only under a further condition: {_shortened(found[name])}"
    for name, expression in desired.items():
        if name not in found:
            yield f"{what} does not apply to our account only: it lacks the condition {expression}"
        elif found[name] != expression:
            yield f"{what} applies to other requests: its condition is {_shortened(found[name])}, not {expression}"


def _of_variables(what: str, found: Mapping[str, str], desired: Mapping[str, str]) -> Iterator[str]:
    for name, expression in desired.items():
        if name not in found:
            yield f"{what} lacks the variable {name}: its rules fail."
        elif found[name] != expression:
            yield f"{what} has {_shortened(found[name])} as {name}, but the settings need {_shortened(expression)}"


def _of_binding(what: str, found: Manifest, desired: Manifest) -> Iterator[str]:
    if found.get("policyName") != desired["policyName"]:
        yield f"{what} binds the policy {found.get('policyName')}, not {desired['policyName']}."
    actions = found.get("validationActions") or []
    if "Deny" not in actions:
        yield f"{what} does not deny requests: its validationActions are {', '.join(actions) or 'empty'}, not Deny."
    if found.get("paramRef"):
        yield f"{what} refers to parameters (paramRef), and is in force only if they exist."
    scoped = _without_defaults(found.get("matchResources") or {})
    if scoped:
        yield f"{what} is in force only for some requests: {_shortened(str(scoped))}"


def _constraints(constraints: Mapping[str, Any] | None) -> dict[str, Any]:
    kept = _without_defaults(constraints or {})
    for name in ("resourceRules", "excludeResourceRules"):
        if name in kept:
            kept[name] = [_without_defaults(rule) for rule in kept[name]]
    return kept


def _without_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value not in ([], None) and value != _DEFAULTS.get(key)}


def _named(given: list[Manifest] | None) -> dict[str, str]:
    return {entry["name"]: _plain(entry["expression"]) for entry in given or ()}


def _plain(expression: str) -> str:
    return " ".join(expression.split())


def _shortened(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"

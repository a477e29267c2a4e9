"""The file of the policies: plain CEL, with fields that Kubernetes has and the names that the settings have."""

from __future__ import annotations

import http.client
import json
import re
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import cel
import pytest
import yaml

from spawnpenny.admin.permissions.fence import make_fence
from spawnpenny.settings.load import make_settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = list(yaml.safe_load_all((ROOT / "kustomize/base/policy.yaml").read_text(encoding="utf-8")))
POLICIES = [document for document in DOCUMENTS if document["kind"] == "ValidatingAdmissionPolicy"]
FUNCTIONS = {"!_", "_&&_", "_||_", "_?_:_", "_==_", "_!=_", "_+_", "_[_]", "@in", "@not_strictly_false"} | {
    *("contains", "matches", "size", "startsWith", "endsWith")
}
GIVEN = {"request", "object", "oldObject", "namespaceObject"}
REQUEST = {"group", "resource", "subResource", "namespace", "operation", "userInfo", "username"}
NEWER = {"appArmorProfile", "hostProcess", "podCertificate", "image"}
"""Fields of Kubernetes 1.22, 1.30 and 1.34 that the API server of the tests does not have."""

for_all_policies = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["metadata"]["name"])


def expressions(policy):
    """Yield each expression with whether it may use variables."""
    for part in ("matchConditions", "variables", "validations"):
        yield from ((entry["expression"], part != "matchConditions") for entry in policy["spec"][part])


@for_all_policies
def test_the_expressions_are_plain_cel(policy):
    for source, composed in expressions(policy):
        used = cel.compile(source)
        bound = re.findall(r"\.(?:all|exists|filter|map)\((\w+),", source)
        assert set(used.functions()) <= FUNCTIONS, source
        assert set(used.variables()) <= GIVEN | ({"variables"} if composed else set()) | set(bound), source
        assert not re.search(r"\n|\?\.|\[\?|optional|quantity|authorizer", source), source


@for_all_policies
def test_the_expressions_name_fields_that_kubernetes_has(policy, openapi):
    described = {field for definition in openapi["definitions"].values() for field in definition.get("properties", ())}
    known = described | REQUEST | NEWER | {variable["name"] for variable in policy["spec"]["variables"]}
    for source, _ in expressions(policy):
        without_texts = re.sub(r"'[^']*'", "''", source)
        assert set(re.findall(r"\.([A-Za-z]\w*)\b(?!\()", without_texts)) <= known, source


def test_the_dangerous_kinds_are_kinds_that_kubernetes_has(openapi):
    served = {
        f"{group or ''}/{plural}"
        for path in openapi["paths"]
        for group, plural in re.findall(r"^/apis?/(?:([\w.]+)/)?v\w+/namespaces/{namespace}/(\w+)$", path)
    }
    variables = {variable["name"]: variable["expression"] for variable in POLICIES[0]["spec"]["variables"]}
    dangerous = set(re.findall(r"'([^']+)'", variables["dangerous"]))
    assert len(dangerous) > 10
    assert dangerous <= served


@pytest.fixture(scope="session")
def openapi(apiserver):
    """Have what the API server says of all its kinds."""
    connection = http.client.HTTPSConnection(
        urlsplit(apiserver.url).netloc, context=apiserver.ssl_context(), timeout=30
    )
    try:
        connection.request("GET", "/openapi/v2")
        return json.load(connection.getresponse())
    finally:
        connection.close()


@for_all_policies
def test_a_variable_uses_only_those_before_it(policy):
    before = set()
    for variable in policy["spec"]["variables"]:
        assert set(re.findall(r"\bvariables\.(\w+)", variable["expression"])) <= before, variable["name"]
        before.add(variable["name"])


@for_all_policies
def test_a_policy_is_in_force_for_whatever_its_account_writes(policy):
    bound = [document["spec"] for document in DOCUMENTS if document["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]} in bound
    assert policy["spec"]["failurePolicy"] == "Fail"
    everything = {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE", "CONNECT"],
        "resources": ["*/*"],
        "scope": "*",
    }
    assert policy["spec"]["matchConstraints"]["resourceRules"] == [everything]


@for_all_policies
def test_a_refusal_is_reported_in_one_sentence_and_as_forbidden(policy):
    for validation in policy["spec"]["validations"]:
        assert re.fullmatch(r"[^\n]{30,250}\.", validation["message"]), validation
        assert validation["reason"] == "Forbidden"


def test_the_base_has_the_fence_that_is_computed_for_its_settings():
    base = (ROOT / "kustomize/base/policy.yaml").read_text(encoding="utf-8")
    assert files("spawnpenny.admin.permissions").joinpath("fence.yaml").read_text(encoding="utf-8") == base
    assert make_fence(make_settings({})) == DOCUMENTS

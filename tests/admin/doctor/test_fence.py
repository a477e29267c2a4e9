"""The fence in force is compared with the one of the settings, rule by rule: each way to break it is found."""

from __future__ import annotations

import copy
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from spawnpenny.admin.doctor.deployment import Deployment
from spawnpenny.admin.doctor.examine import CHECKS
from spawnpenny.admin.permissions.fence import BINDING, POLICY, make_fence
from spawnpenny.broker.orders import Orders
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings

SERVICE, BROKER = "spawnpenny-service", "spawnpenny-broker"
ORDERS = Orders(
    commission=({"name": "home", "image": "site/home", "securityContext": {"capabilities": {"add": ["CHOWN"]}}},),
    volumes=({"name": "homes", "hostPath": {"path": "/srv/homes"}},),
)
DATA = {
    "pods": {"allow": ["nfs", "hostPath", "capabilities:CHOWN"], "host_paths": ["/srv/scratch"]},
    "broker": {"pod_security": "privileged", "labels": {"team": "physics"}},
}


def as_stored(manifest):
    """Return a policy or binding as a current API server gives it back."""
    stored = copy.deepcopy(manifest)
    stored["metadata"] |= {"uid": "u", "generation": 1, "labels": {"app.kubernetes.io/part-of": "spawnpenny"}}
    if stored["kind"] == POLICY:
        constraints = stored["spec"]["matchConstraints"]
        constraints |= {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
        stored["status"] = {"observedGeneration": 1, "typeChecking": {}}
    return stored


class Fence:
    """What is in force: the policies and bindings by kind and name, served as the API server does."""

    def __init__(self, settings, orders):
        made = make_fence(settings, orders)
        self.objects = {(manifest["kind"], manifest["metadata"]["name"]): as_stored(manifest) for manifest in made}

    def spec(self, kind, name):
        return self.objects[kind, name]["spec"]

    def variable(self, name, variable, expression):
        (found,) = [entry for entry in self.spec(POLICY, name)["variables"] if entry["name"] == variable]
        found["expression"] = expression

    async def answer(self, request):
        plurals = {"validatingadmissionpolicies": POLICY, "validatingadmissionpolicybindings": BINDING}
        found = self.objects.get((plurals[request.match_info["plural"]], request.match_info["name"]))
        if found is None:
            gone = {"kind": "Status", "code": 404, "reason": "NotFound", "details": {"name": "x"}}
            return web.json_response(gone, status=404)
        return web.json_response(found)


@pytest.fixture
def settings():
    return make_settings(DATA)


@pytest.fixture
def fence(settings):
    return Fence(settings, ORDERS)


@pytest.fixture
async def look(fence, settings, tmp_path):
    """Return a function that has the doctor compare: level and sentence of what is not well."""
    app = web.Application()
    app.router.add_get("/apis/admissionregistration.k8s.io/v1/{plural}/{name}", fence.answer)
    async with TestServer(app) as server:
        kubeconfig = tmp_path / "kubeconfig"
        cluster = {"name": "c", "cluster": {"server": str(server.make_url("/")).rstrip("/")}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
        users = [{"name": "u", "user": {"token": "t"}}]
        content = {"clusters": [cluster], "users": users, "contexts": [context], "current-context": "x"}
        kubeconfig.write_text(json.dumps(content))
        async with await KubernetesCluster.connect(str(kubeconfig)) as connected:

            async def run(orders=ORDERS):
                plugins = load_plugins(settings)
                deployment = Deployment(settings, plugins, connected, "v1.36.2", 0.0, orders=orders)
                found = await CHECKS["policy"](deployment)
                return [(finding.level.value, finding.says, finding.do) for finding in found if finding.level != "ok"]

            yield run


async def test_the_fence_of_the_settings_is_found_in_force(look):
    assert await look() == []


async def test_what_orders_open_is_not_judged_where_they_are_not_known(look):
    ((level, says, do),) = await look(None)
    assert (level, "orders" in says, "--overlay" in do) == ("unknown", True, True)


def condition(expression, name="the-service"):
    return lambda fence: fence.spec(POLICY, SERVICE).update(matchConditions=[{"name": name, "expression": expression}])


def further_condition(fence):
    more = {"name": "by-day", "expression": "request.operation != 'DELETE'"}
    fence.spec(POLICY, SERVICE)["matchConditions"].append(more)


def in_policy(name, **content):
    return lambda fence: fence.spec(POLICY, name).update(content)


def in_binding(name, **content):
    return lambda fence: fence.spec(BINDING, name).update(content)


def in_constraints(**content):
    return lambda fence: fence.spec(POLICY, BROKER)["matchConstraints"].update(content)


def in_rule(**content):
    return lambda fence: fence.spec(POLICY, BROKER)["matchConstraints"]["resourceRules"][0].update(content)


def variable(name, variable, expression):
    return lambda fence: fence.variable(name, variable, expression)


def without(kind, name):
    return lambda fence: fence.objects.pop((kind, name))


def one_rule_left(fence):
    del fence.spec(POLICY, BROKER)["validations"][1:]


def softened_rule(fence):
    fence.spec(POLICY, SERVICE)["validations"][0]["expression"] += " || request.operation == 'DELETE'"


def lost_variable(fence):
    fence.spec(POLICY, SERVICE)["variables"].pop(0)


BROKEN = {
    "no policy": (without(POLICY, SERVICE), "does not exist"),
    "no binding": (without(BINDING, BROKER), "does not exist"),
    "a policy for another account": (
        condition("request.userInfo.username == 'system:serviceaccount:spawnpenny:other'"),
        "applies to other requests",
    ),
    "a policy for nobody": (condition("false"), "applies to other requests"),
    "a further condition": (further_condition, "only under a further condition"),
    "a policy for everybody": (in_policy(SERVICE, matchConditions=[]), "does not apply to our account only"),
    "failurePolicy Ignore": (in_policy(BROKER, failurePolicy="Ignore"), "failurePolicy: Ignore"),
    "emptied rules": (in_policy(BROKER, validations=[]), "lacks or changes the rule"),
    "rules that are always true": (
        in_policy(BROKER, validations=[{"expression": "true", "message": "m"}]),
        "lacks or changes the rule",
    ),
    "one rule left": (one_rule_left, "lacks or changes the rule"),
    "a softened rule": (softened_rule, "writes only in its state namespace"),
    "another prefix": (variable(SERVICE, "prefix", "''"), "has '' as prefix"),
    "another installation": (variable(BROKER, "installation", "'other'"), "as installation"),
    "other levels": (variable(BROKER, "levels", "['restricted', 'privileged']"), "as levels"),
    "everything opened": (variable(SERVICE, "opened", "['nfs', 'root', 'privileged']"), "as opened"),
    "every folder opened": (variable(SERVICE, "hostPaths", "['/']"), "as hostPaths"),
    "labels of no setting": (variable(BROKER, "labels", "{'team': 'x'}"), "as labels"),
    "another tenant role": (variable(BROKER, "role", "'cluster-admin'"), "as role"),
    "more opened for orders": (variable(BROKER, "opened", "['privileged']"), "as opened"),
    "another folder for orders": (variable(BROKER, "hostPaths", "['/etc']"), "as hostPaths"),
    "a lost variable": (lost_variable, "lacks the variable installation"),
    "a zone that is everywhere": (variable(SERVICE, "zone", "'tenant'"), "as zone"),
    "fewer operations": (in_rule(operations=["CREATE"]), "does not match exactly the requests of its account"),
    "fewer kinds": (in_rule(resources=["pods"]), "does not match exactly the requests of its account"),
    "cluster scope alone": (in_rule(scope="Cluster"), "does not match exactly the requests of its account"),
    "more left out": (in_constraints(excludeResourceRules=[]), "does not match exactly the requests of its account"),
    "namespaces left out": (
        in_constraints(namespaceSelector={"matchLabels": {"fenced": "yes"}}),
        "does not match exactly the requests of its account",
    ),
    "objects left out": (
        in_constraints(objectSelector={"matchLabels": {"x": "y"}}),
        "does not match exactly the requests of its account",
    ),
    "exact versions alone": (in_constraints(matchPolicy="Exact"), "does not match exactly the requests of its account"),
    "parameters": (in_policy(SERVICE, paramKind={"apiVersion": "v1", "kind": "ConfigMap"}), "takes parameters"),
    "a binding with parameters": (in_binding(SERVICE, paramRef={"name": "p"}), "refers to parameters"),
    "a binding that warns": (
        in_binding(SERVICE, validationActions=["Warn", "Audit"]),
        "does not deny requests: its validationActions are Warn, Audit",
    ),
    "a binding of another policy": (in_binding(BROKER, policyName="other"), "binds the policy other"),
    "a scoped binding": (
        in_binding(BROKER, matchResources={"namespaceSelector": {"matchLabels": {"a": "b"}}}),
        "in force only for some requests",
    ),
    "a binding for some kinds": (
        in_binding(BROKER, matchResources={"resourceRules": [{"resources": ["pods"]}]}),
        "in force only for some requests",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_each_broken_fence_is_found_with_what_mends_it_for_good(look, fence, name):
    change, says = BROKEN[name]
    change(fence)
    failures = [(message, do) for level, message, do in await look() if level == "failure"]
    assert any(says in message for message, _ in failures), failures
    assert {do for _, do in failures if "--output kustomize" not in do} == set()


async def test_a_binding_with_the_defaults_of_the_api_server_is_in_force(look, fence):
    defaults = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
    fence.spec(BINDING, SERVICE)["matchResources"] = defaults
    fence.spec(BINDING, BROKER)["validationActions"] = ["Deny", "Audit"]
    assert await look() == []


async def test_the_layout_of_an_expression_does_not_matter(look, fence):
    for validation in fence.spec(POLICY, BROKER)["validations"]:
        validation["expression"] = validation["expression"].replace(" && ", "\n  && ")
    assert await look() == []


async def test_a_rule_of_somebody_else_is_a_warning(look, fence):
    fence.spec(POLICY, SERVICE)["validations"].append({"expression": "true", "message": "Ours as well."})
    ((level, says, _),) = await look()
    assert (level, says.endswith("has a rule that is not ours: Ours as well.")) == ("warning", True)


async def test_doubts_of_the_api_server_are_a_warning(look, fence):
    warnings = {"expressionWarnings": [{"fieldRef": "spec.validations[0].expression", "warning": "undefined field"}]}
    fence.objects[POLICY, BROKER]["status"]["typeChecking"] = warnings
    ((level, says, _),) = await look()
    assert (level, "warns about" in says) == ("warning", True)

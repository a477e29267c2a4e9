"""A healthy deployment is found healthy, and each fault alone is found, and nothing else."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from spawnpenny.broker.leader import lease_ref
from spawnpenny.domain import labels
from spawnpenny.kubernetes.client import KubernetesCluster


async def faults(ward, *, fence_differs=False, **options):
    """Return what is found, but of the fence.

    There a cluster too old for admission policies gets a warning, and another one what ``fence_differs`` says.
    """
    found = await ward.look(**options)
    levels = {level for check, level, _ in found if check == "policy"}
    assert levels == ({"warning"} if not ward.fenced else {"failure"} if fence_differs else set())
    return [finding for finding in found if finding[0] != "policy"]


async def test_a_healthy_deployment_is_found_healthy(ward):
    assert await faults(ward) == []


async def test_a_namespace_that_is_not_there_is_found(ward):
    ward.data["namespaces"]["provision"] = absent = f"{ward.data['namespaces']['provision']}-absent"
    found = await faults(ward, fence_differs=True)
    assert found[0] == ("namespaces", "failure", f"The namespace {absent} does not exist.")
    assert [check for check, *_ in found[1:]] == ["rights"]  # the roles are those of the other namespace


async def test_an_account_that_is_not_there_is_found(ward):
    space = ward.settings.namespaces.broker
    name = f"{ward.settings.broker.account}-broker"
    await ward.cluster.delete(ward.ref("ServiceAccount", name, space))
    assert await faults(ward) == [("accounts", "failure", f"The service account {name} does not exist in {space}.")]


async def test_a_right_too_few_is_found(ward):
    state, name = ward.settings.namespaces.state, ward.settings.broker.account
    role = await ward.cluster.read(ward.ref("Role", name, state))
    for rule in role["rules"]:
        if "secrets" in rule["resources"]:
            rule["verbs"].remove("update")
    await ward.cluster.replace(role)
    home = ward.settings.broker.account_namespace
    message = f"The account {name} of {home} lacks rights in {state}: update secrets."
    assert await faults(ward) == [("rights", "failure", message)]


async def test_a_right_too_many_is_found(ward):
    group = "rbac.authorization.k8s.io"
    home, name = ward.settings.broker.account_namespace, ward.settings.broker.account
    prefix = ward.settings.installation
    rules = [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": prefix, "namespace": "kube-system"}}
    await ward.cluster.create({**role, "rules": rules})
    binding = {
        **role,
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": group, "kind": "Role", "name": prefix},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": home}],
    }
    await ward.cluster.create(binding)
    message = f"The account {name} of {home} has rights in kube-system that it does not need: create pods/exec."
    assert await faults(ward) == [("excess", "failure", message)]


async def test_a_tenant_role_that_lacks_and_gives_is_found(ward):
    name = ward.settings.broker.role
    role = await ward.cluster.read(ward.ref("ClusterRole", name))
    (pods,) = (rule for rule in role["rules"] if "pods" in rule["resources"])
    pods["verbs"].remove("create")
    lacks = ", ".join(f"create {resource}" for resource in sorted(pods["resources"]))
    role["rules"].append({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]})
    await ward.cluster.replace(role)
    assert await faults(ward) == [
        ("role", "failure", f"The ClusterRole {name} lacks rights that steps need: {lacks}."),
        ("role", "failure", f"The ClusterRole {name} gives rights that no step needs: create pods/exec."),
    ]


async def test_a_user_namespace_into_which_the_service_is_not_let_is_found(ward):
    namespace, broker = f"{ward.settings.namespaces.prefix}ada", ward.settings.broker
    listing = await ward.cluster.list(ward.ref("RoleBinding", "").resource, namespace=namespace)
    for item in listing.items:
        await ward.cluster.delete(ward.ref("RoleBinding", item["metadata"]["name"], namespace))
    message = f"User namespaces lack the RoleBinding of the service: {namespace}."
    assert len(listing.items) == 1
    assert broker.role in listing.items[0]["metadata"]["name"]
    assert await faults(ward) == [("bindings", "failure", message)]


async def test_a_user_namespace_with_another_pod_security_level_is_found(ward):
    name = f"{ward.settings.namespaces.prefix}ada"
    level = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    await ward.cluster.patch(ward.ref("Namespace", name), level)
    message = f"The pod security level of user namespaces is not restricted: {name} (privileged)."
    assert await faults(ward) == [("pod-security", "failure", message)]


@pytest.mark.parametrize(
    ("space", "version", "level", "found"),
    [
        ("user", "v1.24", "restricted", "The pod security level of user namespaces is the one of an old Kubernetes:"),
        ("user", "latest", "restricted", None),
        ("state", None, None, "has no pod security level"),
        ("state", None, "privileged", "has the pod security level privileged, not restricted"),
        ("state", "v1.24", "restricted", "of an old Kubernetes (v1.24)"),
        ("broker", None, None, "has no pod security level"),
        ("provision", None, None, "has no pod security level"),
        ("provision", None, "privileged", None),
    ],
)
async def test_a_pod_security_level_that_is_none_or_of_old_is_found(ward, space, version, level, found):
    spaces = ward.settings.namespaces
    name = f"{spaces.prefix}ada" if space == "user" else getattr(spaces, space)
    keys = {"pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/enforce-version": version}
    await ward.cluster.patch(ward.ref("Namespace", name), {"metadata": {"labels": keys}})
    faults_found = await faults(ward)
    assert [(check, rank) for check, rank, _ in faults_found] == ([("pod-security", "failure")] if found else [])
    assert all(found in message and name in message for _, _, message in faults_found)


async def test_a_broker_that_has_ended_is_found(ward):
    await ward.broker.aclose()
    assert await faults(ward) == [
        ("broker", "failure", "No broker is the leader: the last one has released its Lease.")
    ]


async def test_a_broker_that_renews_its_lease_no_more_is_found(ward):
    await ward.broker.aclose()
    long_ago = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    patch = {"spec": {"holderIdentity": "dead", "renewTime": long_ago}}
    await ward.cluster.patch(lease_ref(ward.settings), patch)
    ((check, level, message),) = await faults(ward)
    assert (check, level) == ("broker", "failure")
    assert message.startswith("No broker is the leader: the Lease in ")


async def test_a_broker_that_works_by_other_settings_is_found(ward):
    ward.data["broker"]["pod_security"] = "baseline"
    security, broker = await faults(ward, fence_differs=True)
    assert broker == ("broker-status", "failure", "The broker makes namespaces with other settings than these.")
    assert security[0] == "pod-security"


async def test_replicas_of_another_version_are_found(ward):
    ref = ward.ref("Lease", "replica-one", ward.settings.namespaces.state)
    await ward.cluster.patch(ref, {"metadata": {"annotations": {labels.VERSION: "0.0.1"}}})
    ((check, level, message),) = await faults(ward)
    assert (check, level) == ("replicas", "warning")
    assert "spawnpenny 0.0.1" in message


async def test_records_that_are_too_new_or_not_readable_are_found_and_nothing_of_them_is_reported(ward):
    ownership = {**labels.ours(ward.settings.installation), labels.KIND: "record"}
    wrong = {"schema": 1, "user": {"username": True, "note": "s3cret"}, "spawns": "s3cret"}
    newer = {"schema": 99, "env": "s3cret"}
    texts = {"user-new": json.dumps(newer), "user-odd": "s3cret", "user-wrong": json.dumps(wrong)}
    for name, text in texts.items():
        metadata = {"name": name, "namespace": ward.settings.namespaces.state, "labels": ownership}
        data = {"record": base64.b64encode(text.encode()).decode()}
        await ward.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    found = await faults(ward)
    assert [(check, level) for check, level, _ in found] == [("records", "failure")] * 2
    assert "Records cannot be read: user-odd, user-wrong." in str(found)
    assert "s3cret" not in str(found)


async def test_what_an_account_cannot_tell_of_others_it_says(ward, as_account):
    settings = ward.settings
    async with as_account(settings.broker.account_namespace, settings.broker.account) as cluster:
        found = await ward.look(cluster)
    assert {level for _, level, _ in found} == ({"unknown"} if ward.fenced else {"unknown", "warning"})
    messages = [message for check, _, message in found if check in {"rights", "excess"}]
    name, space = f"{settings.broker.account}-broker", settings.namespaces.broker
    assert messages == [f"Your rights do not suffice to ask what the account {name} of {space} may do."] * 2


async def test_a_right_that_the_account_itself_lacks_is_found_with_its_own_rights(ward, as_account):
    settings = ward.settings
    await ward.cluster.delete(ward.ref("ClusterRoleBinding", settings.broker.account))
    async with as_account(settings.broker.account_namespace, settings.broker.account) as cluster:
        found = await ward.look(cluster)
    messages = [message for check, level, message in found if (check, level) == ("rights", "failure")]
    assert len(messages) == 1
    assert f"The account {settings.broker.account} of {settings.broker.account_namespace} lacks rights" in messages[0]
    assert "list pods" in messages[0]


async def test_an_api_server_that_does_not_answer_is_the_one_finding(ward, tmp_path):
    kubeconfig = _kubeconfig(tmp_path, "http://127.0.0.1:1")
    async with await KubernetesCluster.connect(kubeconfig, timeout=1, patience=0.2) as cluster:
        found = await ward.look(cluster)
    assert [(check, level) for check, level, _ in found] == [("kubernetes", "failure")]


@pytest.mark.parametrize(("seconds", "level"), [(10, "warning"), (-60, "failure")])
async def test_a_clock_that_differs_is_found(ward, through, seconds, level):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    async with through({"Date": later}) as cluster:
        found = await ward.look(cluster)
    (clock,) = [finding for finding in found if finding[0] == "clock"]
    assert clock[1] == level
    assert ("behind" if seconds > 0 else "ahead") in clock[2]


async def test_a_cluster_that_could_have_the_policies_and_has_not_is_found(ward, through):
    await ward.remove_fence()
    async with through({}, version="v1.31.2") as cluster:
        found = await ward.look(cluster)
    assert {(check, level) for check, level, _ in found} == {("policy", "failure")}
    assert len(found) == 4  # two policies and their bindings


async def test_a_service_that_does_not_answer_is_found(ward):
    ((check, level, message),) = await faults(ward, url="http://127.0.0.1:1")
    assert (check, level) == ("service", "failure")
    assert message.startswith("The service does not answer at http://127.0.0.1:1 ")


async def test_a_check_that_takes_too_long_harms_no_other(ward):
    found = await faults(ward, fence_differs=True, patience=1e-9)
    assert {level for _, level, _ in found} == {"failure"}
    assert {check for check, *_ in found} >= {"namespaces", "rights", "records"}
    assert "kubernetes" not in {check for check, *_ in found}


@pytest.fixture
async def through(apiserver, tmp_path):
    """Connect through a proxy that changes headers, and the version that the API server tells."""

    def proxied(headers, version=None):
        return _Proxied(apiserver, tmp_path, headers, version)

    return proxied


class _Proxied:
    def __init__(self, apiserver, folder, headers, version):
        self._apiserver, self._folder, self._headers, self._version = apiserver, folder, headers, version

    async def __aenter__(self):
        connector = aiohttp.TCPConnector(ssl=self._apiserver.ssl_context())
        self._session = aiohttp.ClientSession(self._apiserver.url, connector=connector)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._server = TestServer(app, shutdown_timeout=0.1)
        await self._server.start_server()
        kubeconfig = _kubeconfig(self._folder, str(self._server.make_url("/")).rstrip("/"))
        self._cluster = await KubernetesCluster.connect(kubeconfig)
        return self._cluster

    async def __aexit__(self, *_):
        await self._cluster.close()
        await self._server.close()
        await self._session.close()

    async def _pass(self, request):
        kept = {name: request.headers[name] for name in ("Content-Type", "Accept") if name in request.headers}
        async with self._session.request(
            request.method, request.rel_url, data=await request.read(), headers=kept
        ) as answer:
            body = await answer.read()
            if request.path == "/version" and self._version:
                body = json.dumps({"gitVersion": self._version}).encode()
            if answer.status == 404 and b"could not find the requested resource" in body:
                status = {"kind": "Status", "code": 404, "reason": "NotFound", "details": {"name": "spawnpenny"}}
                body = json.dumps(status).encode()  # as a cluster answers that has the resource, and no such object
            headers = {"Content-Type": "application/json", **self._headers}
            return web.Response(body=body, status=answer.status, headers=headers)


def _kubeconfig(folder, server):
    path = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": server}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {"token": "t"}}]
    path.write_text(json.dumps({"clusters": [cluster], "users": users, "contexts": [context], "current-context": "x"}))
    return str(path)

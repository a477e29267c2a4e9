"""What a thief of each account's token can do, with no admission policy installed: tried, one theft after the other."""

from __future__ import annotations

import base64
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest

from spawnpenny.permissions.manifests import account_of
from spawnpenny.testing.site import settled, start

RBAC = "/apis/rbac.authorization.k8s.io/v1"
WRITES = ("create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate", "approve")
ABOUT_ONESELF = {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}
POD = {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}], "hostPID": True}
MADE, FINE, NO = 201, 200, 403


def obj(kind, api="v1", name="theft", **content):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **content.pop("metadata", {})}, **content}


def binding(role, kind="RoleBinding"):
    subjects = [{"kind": "User", "name": "thief", "apiGroup": "rbac.authorization.k8s.io"}]
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    return obj(kind, "rbac.authorization.k8s.io/v1", roleRef=ref, subjects=subjects)


def token_secret(account):
    metadata = {"annotations": {"kubernetes.io/service-account.name": account}}
    return obj("Secret", metadata=metadata, type="kubernetes.io/service-account-token")


TOKEN_REQUEST = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
HOOK = {
    "name": "theft.example.org",
    "clientConfig": {"url": "https://thief.example.org"},
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}


def thefts(places):
    """Return each theft: what is sent, the answer to the service's account, and the answer to the broker's."""
    home, state, broker = places["home"], places["state"], places["broker"]
    provision, tenant, role = places["provision"], places["tenant"], places["role"]
    web_account, broker_account = places["accounts"]
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}

    def core(namespace, resource):
        return f"/api/v1/namespaces/{namespace}/{resource}"

    def bindings(namespace):
        return f"{RBAC}/namespaces/{namespace}/rolebindings"

    return {
        "bind the tenant role in kube-system": ("POST", bindings("kube-system"), binding(role), NO, MADE),
        "bind the tenant role in a user namespace": ("POST", bindings(tenant), binding(role), NO, MADE),
        "bind the tenant role beside the records": ("POST", bindings(state), binding(role), NO, MADE),
        "bind cluster-admin in a user namespace": ("POST", bindings(tenant), binding("cluster-admin"), NO, NO),
        "bind cluster-admin everywhere": (
            *("POST", f"{RBAC}/clusterrolebindings", binding("cluster-admin", "ClusterRoleBinding")),
            *(NO, NO),
        ),
        "a role of its own": ("POST", f"{RBAC}/clusterroles", obj("ClusterRole", RBAC[6:], rules=[]), NO, NO),
        "more rights for the tenant role": ("PATCH", f"{RBAC}/clusterroles/{role}", {"rules": []}, NO, NO),
        "a pod in kube-system": ("POST", core("kube-system", "pods"), obj("Pod", spec=POD), NO, NO),
        "a pod beside the broker": ("POST", core(broker, "pods"), obj("Pod", spec=POD), NO, NO),
        "a pod beside the service": ("POST", core(home, "pods"), obj("Pod", spec=POD), NO, NO),
        "a pod beside the records": ("POST", core(state, "pods"), obj("Pod", spec=POD), NO, NO),
        "a pod where orders run": ("POST", core(provision, "pods"), obj("Pod", spec=POD), NO, MADE),
        "a privileged pod in a user namespace": ("POST", core(tenant, "pods"), obj("Pod", spec=POD), MADE, NO),
        "a namespace": ("POST", "/api/v1/namespaces", obj("Namespace"), NO, MADE),
        "labels of a user namespace": ("PATCH", f"/api/v1/namespaces/{tenant}", labels, NO, NO),
        "labels of kube-system": ("PATCH", "/api/v1/namespaces/kube-system", labels, NO, NO),
        "delete a foreign namespace": ("DELETE", f"/api/v1/namespaces/{home}", None, NO, FINE),
        "delete the default namespace": ("DELETE", "/api/v1/namespaces/default", None, NO, NO),
        "settings of the service": ("POST", core(home, "configmaps"), obj("ConfigMap"), NO, NO),
        "settings of the broker": ("POST", core(broker, "configmaps"), obj("ConfigMap"), NO, NO),
        "orders of the broker": ("GET", core(broker, "configmaps"), None, NO, NO),
        "a token Secret of the broker": ("POST", core(broker, "secrets"), token_secret(broker_account), NO, NO),
        "a token Secret of the service": ("POST", core(home, "secrets"), token_secret(web_account), NO, NO),
        "a token Secret beside the records": ("POST", core(state, "secrets"), token_secret("default"), MADE, NO),
        "a token of the broker": (
            *("POST", core(broker, f"serviceaccounts/{broker_account}/token"), TOKEN_REQUEST),
            *(NO, NO),
        ),
        "a token of the service": ("POST", core(home, f"serviceaccounts/{web_account}/token"), TOKEN_REQUEST, NO, NO),
        "a token of a controller": (
            "POST",
            core("kube-system", "serviceaccounts/default/token"),
            TOKEN_REQUEST,
            NO,
            NO,
        ),
        "all Secrets": ("GET", "/api/v1/secrets", None, NO, NO),
        "Secrets of kube-system": ("GET", core("kube-system", "secrets"), None, NO, NO),
        "the records": ("GET", core(state, "secrets"), None, FINE, NO),
        "all records deleted": ("DELETE", core(state, "secrets"), None, NO, NO),
        "the Secret of a lab": ("GET", core(tenant, "secrets/lab"), None, FINE, NO),
        "all pods": ("GET", "/api/v1/pods", None, FINE, NO),
        "all volume claims": ("GET", "/api/v1/persistentvolumeclaims", None, NO, FINE),
        "exec into a lab": ("POST", core(tenant, "pods/lab/exec?command=sh"), None, NO, NO),
        "attach to a lab": ("POST", core(tenant, "pods/lab/attach"), None, NO, NO),
        "a port of a lab": ("POST", core(tenant, "pods/lab/portforward"), None, NO, NO),
        "a lab by proxy": ("GET", core(tenant, "pods/lab/proxy/"), None, NO, NO),
        "the log of a lab": ("GET", core(tenant, "pods/lab/log"), None, NO, NO),
        "nodes": ("GET", "/api/v1/nodes", None, NO, NO),
        "a kubelet by proxy": ("GET", "/api/v1/nodes/hollow/proxy/pods", None, NO, NO),
        "a certificate": (
            "POST",
            "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            obj("CertificateSigningRequest", "certificates.k8s.io/v1", spec={}),
            *(NO, NO),
        ),
        "a webhook": (
            "POST",
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            obj("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", webhooks=[HOOK]),
            *(NO, NO),
        ),
        "an API of its own": (
            "POST",
            "/apis/apiregistration.k8s.io/v1/apiservices",
            obj("APIService", "apiregistration.k8s.io/v1", spec={}),
            *(NO, NO),
        ),
    }


class Thief:
    """Speaks to the API server as somebody, past all code of ours."""

    def __init__(self, session):
        self._session = session

    async def answer(self, method, path, body=None, **headers):
        """Return the status of a request; what it would change is not changed."""
        query = {} if method == "GET" else {"dryRun": "All"}
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self._session.request(method, path, json=body, params=query, headers=headers) as answer:
            return answer.status

    async def ask(self, path, body):
        async with self._session.post(path, json=body) as answer:
            return await answer.json()

    async def rights(self, namespace):
        """Return each (verb, resource) that this account has in a namespace, as the API server tells."""
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
        told = await self.ask(
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review | {"spec": {"namespace": namespace}}
        )
        assert not told["status"]["incomplete"]
        found = {
            (verb, resource)
            for rule in told["status"]["resourceRules"]
            for verb in rule["verbs"]
            for resource in rule["resources"]
        }
        return {(verb, resource) for verb, resource in found if resource not in ABOUT_ONESELF}

    async def may(self, verb, group, resource, namespace):
        """Return whether one thing is allowed."""
        main, _, sub = resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": main, "subresource": sub, "namespace": namespace}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return (await self.ask(path, review | {"spec": {"resourceAttributes": attributes}}))["status"]["allowed"]

    async def resources(self):
        """Return every resource that the API server has, with its group."""
        async with self._session.get("/apis") as answer:
            groups = (await answer.json())["groups"]
        paths = ["/api/v1", *(f"/apis/{version['groupVersion']}" for each in groups for version in each["versions"])]
        found = set()
        for path in paths:
            async with self._session.get(path) as answer:
                listed = (await answer.json())["resources"]
            group = path.split("/")[2] if path.startswith("/apis") else ""
            found |= {(group, each["name"]) for each in listed}
        return found


@asynccontextmanager
async def thief_of(apiserver, user=None, *, token=None):
    """Be somebody, by a client certificate or by a token alone."""
    context = ssl.create_default_context(cafile=str(apiserver.ca)) if token else apiserver.ssl_context(user, None)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(apiserver.url, connector=connector, headers=headers) as session:
        yield Thief(session)


@pytest.fixture
async def places(installation):
    """Have a user with a running lab; return where everything is."""
    async with installation.running() as service:
        run = await settled(await start(service, env={"JUPYTER_TOKEN": "s3cr3t"}))
        assert run.record.reason is None
        settings, spaces = installation.settings, installation.settings.namespaces
        yield {
            "home": settings.broker.account_namespace,
            "state": spaces.state,
            "broker": spaces.broker,
            "provision": spaces.provision,
            "tenant": installation.site.namespace(),
            "role": settings.broker.role,
            "accounts": [account_of(account, settings)[1] for account in ("service", "broker")],
        }


@pytest.mark.parametrize("account", ["service", "broker"])
async def test_each_theft_is_answered_as_told(installation, apiserver, places, account):
    expected = {name: told[3 if account == "service" else 4] for name, told in thefts(places).items()}
    async with thief_of(apiserver, installation.user_of(account)) as thief:
        answers = {name: await thief.answer(*told[:3]) for name, told in thefts(places).items()}
        assert await thief.answer("GET", "/api/v1/nodes", Impersonate_User="system:admin") == NO
    assert answers == expected


async def test_the_service_writes_nothing_outside_of_our_namespaces(installation, apiserver, places):
    outside = ("", "default", "kube-system", *(places[name] for name in ("home", "broker", "provision")))
    async with thief_of(apiserver, installation.user_of("service")) as thief:
        asked = [
            (verb, group, resource, namespace)
            for group, resource in sorted(await thief.resources())
            for verb in WRITES
            for namespace in outside
            if resource not in ABOUT_ONESELF
        ]
        allowed = [one for one in asked if await thief.may(*one)]
    assert len(asked) > 1000
    assert allowed == []


async def test_inside_of_our_namespaces_an_account_has_what_is_printed_and_no_more(installation, apiserver, places):
    everywhere = {("list", "pods"), ("watch", "pods"), ("list", "namespaces"), ("watch", "namespaces")}
    async with thief_of(apiserver, installation.user_of("service")) as thief:
        for name in ("home", "broker", "provision"):
            assert await thief.rights(places[name]) == everywhere
        for name, role in (("state", places["accounts"][0]), ("tenant", places["role"])):
            assert await thief.rights(places[name]) == everywhere | printed(installation, role, name == "state")


def printed(installation, name, namespaced):
    """Return each (verb, resource) that a role gives."""
    (role,) = [
        each
        for each in installation.manifests
        if "rules" in each and each["metadata"]["name"] == name and ("namespace" in each["metadata"]) == namespaced
    ]
    return {(verb, of) for rule in role["rules"] for of in rule["resources"] for verb in rule["verbs"]}


async def test_a_token_of_the_account_has_the_same_rights(installation, apiserver, places):
    async with (
        thief_of(apiserver, installation.user_of("service")) as by_name,
        thief_of(apiserver, token=await minted(apiserver, places["home"], places["accounts"][0])) as by_token,
    ):
        for namespace in (places["tenant"], places["state"], "kube-system"):
            rights = await by_token.rights(namespace)
            assert rights == await by_name.rights(namespace) != set()


async def minted(apiserver, namespace, account):
    """Have the API server make a token, as it does for a pod."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    connector = aiohttp.TCPConnector(ssl=apiserver.ssl_context())
    async with (
        aiohttp.ClientSession(apiserver.url, connector=connector) as admin,
        admin.post(path, json=TOKEN_REQUEST) as answer,
    ):
        return (await answer.json())["status"]["token"]


async def test_a_token_that_the_service_can_mint_is_worth_nothing(installation, apiserver, places):
    """Whoever may create Secrets in a namespace has the tokens of its accounts: hence no account lives there."""
    async with thief_of(apiserver, installation.user_of("service")) as thief:
        for place in ("state", "tenant"):
            path = f"/api/v1/namespaces/{places[place]}/secrets"
            assert (await thief.ask(path, token_secret("default")))["kind"] == "Secret"
            secret = await installation.until_filled(places[place])
            token = base64.b64decode(secret["data"]["token"]).decode()
            async with thief_of(apiserver, token=token) as other:
                for namespace in (places["state"], places["tenant"], "kube-system"):
                    assert await other.rights(namespace) == set()

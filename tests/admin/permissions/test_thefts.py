"""What a thief of each account's token can do, with no admission policy installed: tried, one theft after the other."""

from __future__ import annotations

import pytest

RBAC = "/apis/rbac.authorization.k8s.io/v1"
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


def thefts(places, *, privileged):
    """Return each theft: what is sent, the answer to the service's account, and the answer to the broker's.

    ``privileged`` is the answer to a privileged pod where RBAC lets the service make pods.
    """
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
        "a privileged pod in a user namespace": ("POST", core(tenant, "pods"), obj("Pod", spec=POD), privileged, NO),
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
        "all volume claims": ("GET", "/api/v1/persistentvolumeclaims", None, NO, NO),
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


@pytest.mark.parametrize("account", ["service", "broker"])
async def test_each_theft_is_answered_as_expected(installation, apiserver, thief_of, places, account):
    tried = thefts(places, privileged=NO if apiserver.discovery.enforces_pod_security else MADE)
    expected = {name: theft[3 if account == "service" else 4] for name, theft in tried.items()}
    async with thief_of(installation.user_of(account)) as thief:
        answers = {name: await thief.answer(*theft[:3]) for name, theft in tried.items()}
        assert await thief.answer("GET", "/api/v1/nodes", Impersonate_User="system:admin") == NO
    assert answers == expected

"""The limits of the accounts: they write nothing outside of our namespaces, whatever is requested."""

from __future__ import annotations

import base64

import aiohttp

WRITES = ("create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate", "approve")
TOKEN_REQUEST = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
TOKEN_SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "theft", "annotations": {"kubernetes.io/service-account.name": "default"}},
    "type": "kubernetes.io/service-account-token",
}


async def test_the_service_writes_nothing_outside_of_our_namespaces(installation, thief_of, places):
    outside = ("", "default", "kube-system", *(places[name] for name in ("home", "broker", "provision")))
    async with thief_of(installation.user_of("service")) as thief:
        questions = [
            (verb, group, resource, namespace)
            for group, resource in sorted(await thief.resources())
            for verb in WRITES
            for namespace in outside
        ]
        allowed = [question for question in questions if await thief.may(*question)]
    assert len(questions) > 1000
    assert allowed == []


async def test_inside_of_our_namespaces_an_account_has_what_is_printed_and_no_more(installation, thief_of, places):
    everywhere = {("list", "pods"), ("watch", "pods"), ("list", "namespaces"), ("watch", "namespaces")}
    async with thief_of(installation.user_of("service")) as thief:
        for name in ("home", "broker", "provision"):
            assert await thief.rights(places[name]) == everywhere
        for name, role in (("state", places["accounts"][0]), ("tenant", places["role"])):
            assert await thief.rights(places[name]) == everywhere | printed(installation, role, name == "state")


def printed(installation, name, namespaced):
    """Return each (verb, resource) that a role gives."""
    (role,) = [
        manifest
        for manifest in installation.manifests
        if "rules" in manifest
        and manifest["metadata"]["name"] == name
        and ("namespace" in manifest["metadata"]) == namespaced
    ]
    return {(verb, of) for rule in role["rules"] for of in rule["resources"] for verb in rule["verbs"]}


async def test_a_token_of_the_account_has_the_same_rights(installation, apiserver, thief_of, places):
    async with (
        thief_of(installation.user_of("service")) as by_name,
        thief_of(token=await minted(apiserver, places["home"], places["accounts"][0])) as by_token,
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


async def test_a_token_that_the_service_can_mint_is_worth_nothing(installation, thief_of, places):
    """Whoever may create Secrets in a namespace has the tokens of its accounts: hence no account lives there."""
    async with thief_of(installation.user_of("service")) as thief:
        for place in ("state", "tenant"):
            path = f"/api/v1/namespaces/{places[place]}/secrets"
            assert (await thief.ask(path, TOKEN_SECRET))["kind"] == "Secret"
            secret = await installation.until_seen(
                "Secret", places[place], "theft", lambda found: "token" in found.get("data", {})
            )
            token = base64.b64decode(secret["data"]["token"]).decode()
            async with thief_of(token=token) as other:
                for namespace in (places["state"], places["tenant"], "kube-system"):
                    assert await other.rights(namespace) == set()

"""The tables of ``docs/explanation/privileges.md``: what the API server answers when asked what each account may do.

``SPAWNPENNY_GOLDEN=write`` writes them anew.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import yaml

from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import account_of, make_manifests
from spawnpenny.admin.permissions.rules import VERBS
from spawnpenny.broker.namespaces import release_binding, service_binding
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.model import Settings

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "privileges.md"
RULES = Path(__file__).parent / "rules"
RBAC = "rbac.authorization.k8s.io"
ALL, TENANTS, OWN = "all namespaces", "user namespaces", "its own namespace"
LEAVING = "user namespaces that it is to delete"
FOREIGN = "kube-system"
READ, WRITE = ("get", "list", "watch"), ("create", "update", "patch", "delete")


@dataclass
class Account:
    """A user of the API server, the places that matter to it, and what it may do in each."""

    name: str
    user: str
    places: Mapping[str, str]
    role: str = "cluster-admin"
    after: str = ""  # another user, who has what this one can give itself
    may: dict[str, set] = field(default_factory=dict)


def questions_of(accounts, resources):
    """Yield each question: an account, a place, and a verb on a resource."""
    for account in accounts:
        for place, namespace in account.places.items():
            for group, resource in sorted(resources):
                for verb in VERBS:
                    if verb != "bind" or resource == "clusterroles":
                        name = account.role if verb == "bind" else ""
                        yield account, place, verb, group, resource, {"namespace": namespace, "name": name}


class Api:
    """Asks the API server as somebody who may do everything."""

    def __init__(self, session):
        self._session = session

    async def make(self, manifest):
        group = "apis" if "/" in manifest["apiVersion"] else "api"
        namespace = manifest["metadata"].get("namespace")
        within = f"namespaces/{namespace}/" if namespace else ""
        plural = f"{manifest['kind'].lower()}s"
        async with self._session.post(f"/{group}/{manifest['apiVersion']}/{within}{plural}", json=manifest) as answer:
            assert answer.status == 201, await answer.text()

    async def may(self, user, verb, group, resource, *, namespace="", name=""):
        """Return the answer of a SubjectAccessReview."""
        main, _, sub = resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": main, "subresource": sub}
        home = user.split(":")[2]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"]
        spec = {
            "user": user,
            "groups": groups,
            "resourceAttributes": attributes | {"namespace": namespace, "name": name},
        }
        request = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        async with self._session.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=request) as answer:
            return (await answer.json())["status"]["allowed"]


@pytest.fixture
async def api(apiserver):
    connector = aiohttp.TCPConnector(ssl=apiserver.ssl_context(), limit=20)
    async with aiohttp.ClientSession(apiserver.url, connector=connector) as session:
        yield Api(session)


def manifest(kind, name, namespace=None, **content):
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    api = "v1" if kind == "Namespace" else f"{RBAC}/v1"
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **content}


def bound(kind, name, user, namespace=None, role=None):
    subjects = [{"kind": "User", "name": user, "apiGroup": RBAC}]
    ref = {"apiGroup": RBAC, "kind": role or kind, "name": name}
    return manifest(f"{kind}Binding", name, namespace, roleRef=ref, subjects=subjects)


async def others(api, prefix, tenant):
    """Give the accounts of other projects what their manifests give them."""
    accounts = []
    for number, other in enumerate(yaml.safe_load((RULES / "others.yaml").read_text())):
        home, name = f"{prefix}-other{number}", f"{prefix}-other{number}"
        user = f"system:serviceaccount:{home}:{name}"
        await api.make(manifest("Namespace", home))
        for kind, namespace, rules in (("ClusterRole", None, other["cluster"]), ("Role", home, other.get("own"))):
            if rules:
                await api.make(manifest(kind, name, namespace, rules=rules))
                await api.make(bound(kind, name, user, namespace))
        places = {ALL: "", TENANTS: tenant, OWN: home}
        accounts.append(Account(other["name"], user, places))
    return accounts


async def ours(api, prefix, reads):
    """Give our accounts what is printed, with a user namespace as the broker makes it."""
    names = Settings().namespaces
    spaces = {"state": f"{prefix}-state", "broker": f"{prefix}-broker", "provision": f"{prefix}-provision"}
    broker = {"account": f"{prefix}-web", "account_namespace": f"{prefix}-home", "role": f"{prefix}-tenant"}
    settings = make_settings({"namespaces": spaces | {"prefix": f"{prefix}u-", "reads": reads}, "broker": broker})
    tenant, leaving = f"{prefix}u-ada", f"{prefix}u-leaving"
    for name in (*spaces.values(), f"{prefix}-home", tenant, leaving):
        await api.make(manifest("Namespace", name))
    for role in make_manifests(gather(settings, load_plugins(settings)), settings):
        await api.make(role)
    await api.make(service_binding(tenant, installation=prefix, broker=settings.broker))
    await api.make(release_binding(leaving, settings))
    own = {names.state: spaces["state"], names.broker: spaces["broker"], names.provision: spaces["provision"]}
    places = {ALL: "", TENANTS: tenant, LEAVING: leaving, **own}
    users = ["system:serviceaccount:{}:{}".format(*account_of(account, settings)) for account in ("service", "broker")]
    return users, places, settings.broker.role


@pytest.fixture
async def accounts(api):
    """Have all accounts on the API server, and what it answers of them."""
    prefix = f"d{secrets.token_hex(3)}"
    (service, broker), places, role = await ours(api, f"{prefix}a", "cluster")
    (sparing, _), other_places, _ = await ours(api, f"{prefix}b", "namespace")
    after = f"{broker}-after"
    await api.make(bound("ClusterRole", f"{prefix}a-web-broker", after) | {"metadata": {"name": f"{prefix}-after"}})
    for namespace in (FOREIGN, places[TENANTS]):
        binding = bound("Role", role, after, namespace, role="ClusterRole")
        await api.make(binding | {"metadata": {"name": f"{prefix}-after", "namespace": namespace}})
    made = [
        *await others(api, prefix, places[TENANTS]),
        Account("service", service, places),
        Account("service, per-namespace reads", sparing, other_places),
        Account("broker", broker, places, role, after),
        Account("Hub and labs", f"system:serviceaccount:{places[TENANTS]}:default", places),
    ]
    resources = {(group, of) for rule in all_rules() for group in rule["apiGroups"] for of in rule["resources"]}
    questions = list(questions_of(made, resources))
    answers = await asyncio.gather(*(api.may(a.user, v, g, r, **where) for a, _, v, g, r, where in questions))
    for (account, place, verb, group, resource, _), allowed in zip(questions, answers, strict=True):
        if allowed:
            account.may.setdefault(place, set()).add((verb, group, resource))
    return made


def all_rules():
    """Yield rules with everything that is asked about."""
    settings = Settings()
    yield from yaml.safe_load((RULES / "sensitive.yaml").read_text())
    for other in yaml.safe_load((RULES / "others.yaml").read_text()):
        yield from (*other["cluster"], *other.get("own", ()))
    for manifest in make_manifests(gather(settings, load_plugins(settings)), settings):
        yield from manifest.get("rules", ())


def rights_table(accounts):
    yield from ("| account | where | verbs | resources |", "|---|---|---|---|")
    for account in accounts:
        everywhere = account.may.get(ALL, set())
        rows = [
            (place, verbs, of)
            for place in account.places
            for verbs, of in grouped(account.may.get(place, set()) - (everywhere if place != ALL else set()))
        ]
        for place, verbs, of in rows or [("nowhere", "none", "none")]:
            yield f"| {account.name} | {place} | {verbs} | {of} |"


def grouped(rights):
    """Return resources by the verbs that are allowed on them, each as text."""
    verbs, resources = {}, {}
    for verb, group, resource in rights:
        verbs.setdefault((group, resource), set()).add(verb)
    for (_, resource), allowed in verbs.items():
        message = " ".join(verb for verb in VERBS if verb in allowed)
        resources.setdefault("all" if allowed >= {*READ, *WRITE} else message, set()).add(resource)
    bind = {"bind": "bind (the two roles for user namespaces alone)"}
    return sorted(
        (bind.get(label, label), ", ".join(f"`{resource}`" for resource in sorted(of)))
        for label, of in resources.items()
    )


def counts_table(accounts):
    head = ("account", "reads, all namespaces", "writes, all namespaces", "more in user namespaces", "more in its own")
    yield from (f"| {' | '.join(head)} |", "|---|---|---|---|---|")
    for account in accounts:
        everywhere = account.may.get(ALL, set())
        reads = sum(verb in READ for verb, _, _ in everywhere)
        besides = {place: len(account.may.get(place, set()) - everywhere) for place in account.places if place != ALL}
        users = besides.pop(TENANTS) + besides.pop(LEAVING, 0)
        yield f"| {account.name} | {reads} | {len(everywhere) - reads} | {users} | {sum(besides.values())} |"


def any_of(verbs, resource, namespace, group=""):
    return [[(verb, group, resource, namespace, "")] for verb in verbs]


def theft_list(tenant):
    """Return each theft as ways to it, each way as all the rights that it takes."""
    token_secret = ("create", "", "secrets", FOREIGN, "")
    bind = ("bind", RBAC, "clusterroles", "", "cluster-admin")
    return {
        "read any Secret": any_of(READ, "secrets", FOREIGN),
        "read the Secrets of all labs": any_of(READ, "secrets", tenant),
        "read the environment in any pod's manifest": any_of(READ, "pods", FOREIGN),
        "exec into any pod": any_of(("get", "create"), "pods/exec", FOREIGN),
        "exec into a lab": any_of(("get", "create"), "pods/exec", tenant),
        "create a pod in `kube-system`, under any account there": any_of(["create"], "pods", FOREIGN),
        "mint another account's token in `kube-system`": [
            *any_of(["create"], "serviceaccounts/token", FOREIGN),
            *([token_secret, *way] for way in any_of(READ, "secrets", FOREIGN)),
        ],
        "bind `cluster-admin`": [
            [bind, ("create", RBAC, "clusterrolebindings", "", "")],
            [bind, ("create", RBAC, "rolebindings", FOREIGN, "")],
            [("escalate", RBAC, "clusterroles", "", ""), ("update", RBAC, "clusterroles", "", "")],
        ],
        "delete a foreign namespace": [[("delete", "", "namespaces", "kube-public", "kube-public")]],
        "label a foreign namespace": [
            [(verb, "", "namespaces", "kube-public", "kube-public")] for verb in ("patch", "update")
        ],
    }


async def thefts_table(api, accounts):
    yield f"| with a stolen token | {' | '.join(account.name for account in accounts)} |"
    yield "|---" * (len(accounts) + 1) + "|"
    for theft in theft_list(""):
        cells = [await cell(api, account, theft) for account in accounts]
        yield f"| {theft} | {' | '.join(cells)} |"
    writes = [any(verb in WRITE for verb, _, _ in account.may.get(ALL, ())) for account in accounts]
    cells = ("yes" if write else "no" for write in writes)
    yield f"| write outside of user namespaces and its own | {' | '.join(cells)} |"


async def cell(api, account, theft):
    ways = theft_list(account.places[TENANTS])[theft]
    for user, verdict in ((account.user, "yes"), (account.after, "after a binding")):
        if user and await succeeds(api, user, ways):
            return verdict
    return "no"


async def succeeds(api, user, ways):
    for way in ways:
        answers = [await api.may(user, v, g, r, namespace=space, name=name) for v, g, r, space, name in way]
        if all(answers):
            return True
    return False


async def test_the_tables_of_the_page_are_what_the_api_server_answers(api, accounts):
    tables = {
        "counts": "\n".join(counts_table(accounts)),
        "thefts": "\n".join([line async for line in thefts_table(api, accounts)]),
        "rights": "\n".join(rights_table(accounts)),
    }
    page = PAGE.read_text()
    for name, table in tables.items():
        begin, end = f"<!-- {name}: begin -->\n", f"\n<!-- {name}: end -->"
        between = re.compile(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", re.DOTALL)
        if os.environ.get("SPAWNPENNY_GOLDEN") == "write":
            page = between.sub(lambda _, table=table: f"\n{table}\n", page)
            PAGE.write_text(page)
        (shown,) = between.findall(page)
        assert shown.strip() == table, name

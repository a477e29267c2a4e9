"""The fence's policies, and what a real API server asked about requests of the two accounts."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import secrets
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from string import Template

import aiohttp
import pytest
import yaml

from spawnpenny.broker.local import run_local_broker
from spawnpenny.cluster.kinds import Resource, resource_of
from spawnpenny.cluster.kubernetes import KubernetesCluster
from spawnpenny.cluster.port import Ref
from spawnpenny.cluster.sockets import Sockets
from spawnpenny.domain.spawns import Phase
from spawnpenny.domain.users import Group, User
from spawnpenny.plugins import load_plugins
from spawnpenny.service import run_service
from spawnpenny.testing.admission import AdmissionRecorder
from spawnpenny.testing.behaviours import Crash
from spawnpenny.testing.fence import load_policies
from spawnpenny.testing.hollow_node import HollowNode
from spawnpenny.testing.site import HUB, Site, settled, site_data, start, stop

HERE = Path(__file__).parent
POLICY = Path(__file__).parents[2] / "kustomize/base/policy.yaml"
WRITES = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}
NONE = {"metadata": {"name": ""}}
RESTRICTED = {"runAsUser": 1000, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER = {
    "name": "c",
    "image": "i",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}


@dataclasses.dataclass
class Scene:
    """What was recorded: in the life of a site, and of each request of the two files by its words."""

    names: dict[str, str]
    life: list = dataclasses.field(default_factory=list)
    missed: Counter = dataclasses.field(default_factory=Counter)
    forbidden: dict = dataclasses.field(default_factory=dict)
    allowed: dict = dataclasses.field(default_factory=dict)

    def fence(self, policies, attempt=None):
        """Return the policies with this site's names and accounts, and with what is opened for an attempt."""
        quoted = {key: f"'{value}'" for key, value in self.names.items()}
        service = {key: quoted[key] for key in ("installation", "prefix", "state")}
        broker = service | {key: quoted[key] for key in ("provision", "broker")} | {"accountNamespace": quoted["home"]}
        opened = {"opened": str((attempt or {}).get("opened", [])), "hostPaths": str((attempt or {}).get("paths", []))}
        return {
            "service": policies["spawnpenny-service"].adapted(self.names["service_account"], **service, **opened),
            "broker": policies["spawnpenny-broker"].adapted(self.names["broker_account"], **broker, **opened),
        }


@pytest.fixture(scope="session")
def policies():
    return load_policies(POLICY)


@pytest.fixture(scope="session")
def scene(apiserver, tmp_path_factory):
    return asyncio.run(play(apiserver, tmp_path_factory.mktemp("orders")))


async def play(server, folder):
    """Run a site on the API server, and then try what is in the two files."""
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(await KubernetesCluster.connect(str(server.kubeconfig)))
        site, names = await make_scene_site(admin, folder)
        accounts = names["service_account"], names["broker_account"]
        await stack.enter_async_context(all_rights(admin, names["installation"], accounts))
        node = await stack.enter_async_context(HollowNode(server.url, server.ssl_context()))
        recorder = await stack.enter_async_context(AdmissionRecorder(server, accounts))
        clients = [
            await stack.enter_async_context(await KubernetesCluster.connect(str(server.kubeconfig_for(each))))
            for each in accounts
        ]
        scene, since = Scene(names), server.mark()
        await live(site, node, *clients)
        scene.life = list(recorder.seen)
        scene.missed = missed(server.audit(since), accounts, scene.life)
        names |= await prepare(admin, site, names)
        thieves = {
            by: await stack.enter_async_context(client(server, names[f"{by}_account"])) for by in ("service", "broker")
        }
        for trial in ("forbidden", "allowed"):
            for entry in entries(trial, names):
                recorded = await send(thieves, recorder, names, entry)
                getattr(scene, trial)[entry.get("theft") or entry["use"], entry["by"]] = (entry, recorded)
        return scene


async def make_scene_site(admin, folder):
    installation = f"t{secrets.token_hex(3)}"
    names = {key: f"{installation}-{key}" for key in ("state", "provision", "broker", "home")}
    names |= {"installation": installation, "prefix": f"{installation}-u-"}
    names |= {
        "service_account": f"system:serviceaccount:{names['home']}:spawnpenny",
        "broker_account": f"system:serviceaccount:{names['broker']}:spawnpenny-broker",
    }
    orders = folder / "m.yaml"
    order = {"name": "home", "image": "site/home", "securityContext": {"runAsUser": 0}}
    orders.write_text(yaml.safe_dump({"commission": [order, {**order, "name": "more"}]}))
    data = site_data(installation)
    data["namespaces"] = {key: names[key] for key in ("prefix", "state", "provision", "broker")}
    data["broker"] = {"orders": str(orders), "account_namespace": names["home"]}
    for key in ("state", "provision", "broker", "home"):
        await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names[key]}})
    return Site(data, admin), names


@asynccontextmanager
async def all_rights(admin, name, accounts):
    """Let RBAC allow the accounts everything: what refuses them is the fence."""
    group = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": each} for each in accounts],
    }
    resource = Resource(f"{group}/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)
    await admin.create(binding, resource)
    try:
        yield
    finally:
        await admin.delete(Ref(resource, name))


async def live(site, node, web, private):
    """Do what a service and its broker do in their life, each with its own account."""
    node.behave(lambda pod: pod["metadata"]["namespace"] == site.namespace("bob"), Crash())
    plugins = load_plugins(site.settings)
    async with (
        run_local_broker(private, site.settings) as broker,
        run_service(site.settings, plugins, web, broker) as service,
    ):
        await service.until_ready()
        ada = User("ada", 2001, 2001, (Group("physics", 3001),))
        await settled((await service.spawns.commission(ada, identity=HUB)).run)
        for number, replace in enumerate((False, False, True)):
            run = await settled(await start(service, f"s{number}", replace=replace))
            assert run.record.phase is Phase.RUNNING, run.record.reason
            if number == 0:
                await stop(service)
        failed = await settled(await start(service, user="bob"))
        assert failed.record.phase is Phase.FAILED
        await settled(await start(service, user="Eve@example.org"))
        await stop(service, user="Eve@example.org")
        gone = await site.read("Namespace", site.namespace("bob"))
        await broker.release_namespace("bob", gone["metadata"]["uid"])


def missed(audited, accounts, recorded):
    """Return the writes that the API server answered well, and the recorder did not see."""
    wrote = Counter(
        (WRITES[each.verb], each.resource, each.namespace if each.resource != "namespaces" else "")
        for each in audited
        if each.user in accounts and each.verb in WRITES and each.status < 300
    )
    assert wrote
    seen = Counter(
        (each.request["operation"], each.request["resource"]["resource"], (each.namespace or NONE)["metadata"]["name"])
        for each in recorded
    )
    return wrote - seen


async def prepare(admin, site, names):
    """Make what the thieves go for; return further names."""
    prefix, ours = names["prefix"], {"spawnpenny.io/managed-by": "spawnpenny"}
    mine = ours | {"spawnpenny.io/installation": names["installation"]}
    of_eve = {"spawnpenny.io/username": "eve"}
    more = {
        "plain": (f"{prefix}plain", {}, of_eve),
        "unprefixed": (f"{names['installation']}-unprefixed", mine, of_eve),
        "nobody": (f"{prefix}nobody", mine, {}),
        "foreign": (f"{prefix}foreign", ours | {"spawnpenny.io/installation": "other"}, of_eve),
    }
    for name, labels, annotations in more.values():
        metadata = {"name": name, "labels": labels, "annotations": annotations}
        await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    tenant = site.namespace("ada")
    for namespace in (tenant, names["provision"]):
        metadata = {"name": "other", "namespace": namespace}
        await admin.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    board = ("board", {"spawnpenny.io/kind": "board"})
    for name, labels in (
        board,
        ("held", {"spawnpenny.io/kind": "claim", "app": "spawnpenny"}),
        ("other", {"app": "other"}),
    ):
        metadata = {"name": name, "namespace": names["state"], "labels": labels}
        await admin.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    held = order_pod({}, names) | {"metadata": {"name": "held", "namespace": names["provision"]}}
    await admin.create(held)
    bindings = await admin.list(resource_of("RoleBinding"), namespace=tenant)
    return {key: name for key, (name, *_) in more.items()} | {
        "tenant": tenant,
        "record": "user-ada",
        "binding": bindings.items[0]["metadata"]["name"],
    }


def entries(trial, names):
    return yaml.safe_load(Template((HERE / f"{trial}.yaml").read_text()).substitute(names))


@asynccontextmanager
async def client(server, account):
    sockets = Sockets()
    connector = aiohttp.TCPConnector(ssl=server.ssl_context(account, None), socket_factory=sockets)
    try:
        async with aiohttp.ClientSession(server.url, connector=connector) as http:
            yield http
    finally:
        await sockets.close()


async def send(clients, recorder, names, entry):
    """Send a request as the account that it is by, and return what the API server asked about it."""
    method, path, body = request_of(entry, names)
    before = len(recorder.seen)
    kind = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
    query = {} if "connect" in entry else {"dryRun": "All"}
    data = json.dumps(body) if body else None
    async with clients[entry["by"]].request(method, path, params=query, data=data, headers=kind) as answer:
        told = await answer.text()
    assert len(recorder.seen) == before + 1, f"{entry}: {told}"
    recorded = recorder.seen[-1]
    if "beyond" in entry:
        recorded = dataclasses.replace(recorded, object=with_parts(recorded.object, entry["beyond"]))
    return recorded


def request_of(entry, names):
    if "connect" in entry:
        return "POST", entry["connect"], None
    if "pod" in entry:
        make = service_pod if entry["by"] == "service" else order_pod
        return "POST", path_of(pod := make(entry["pod"], names)), pod
    verb = next(verb for verb in ("create", "patch", "delete") if verb in entry)
    manifest = entry[verb]
    if verb == "create":
        path = entry.get("path") or path_of(manifest)
        return "POST", path, {"apiVersion": version_of(manifest), **manifest}
    return verb.upper(), f"{path_of(manifest)}/{manifest['metadata']['name']}", manifest if verb == "patch" else None


def version_of(manifest):
    return manifest.get("apiVersion") or resource_of(manifest["kind"]).api_version


def path_of(manifest):
    version, namespace = version_of(manifest), manifest["metadata"].get("namespace")
    kind = manifest["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}es" if kind.endswith("s") else f"{kind}s"
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{where}/{plural}"


def service_pod(parts, names):
    return with_parts(bare_pod(names["tenant"], CONTAINER, {"securityContext": RESTRICTED}), parts)


def order_pod(parts, names):
    return with_parts(bare_pod(names["provision"], {"name": "c", "image": "i"}, {}), parts)


def bare_pod(namespace, container, spec):
    spec = {"automountServiceAccountToken": False, "containers": [container], **spec}
    return copy.deepcopy(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried", "namespace": namespace}, "spec": spec}
    )


def with_parts(pod, parts):
    """Merge into a pod what belongs to its metadata and spec, to its container, or to one more init container."""
    merged = merge(pod, {key: value for key, value in parts.items() if key in {"metadata", "spec"}})
    container = merged["spec"]["containers"][0]
    if "init" in parts:
        merged["spec"]["initContainers"] = [merge(CONTAINER, {"name": "init"} | parts["init"])]
    merged["spec"]["containers"] = [merge(container, parts.get("container", {}))]
    return merged


def merge(target, patch):
    """Merge as RFC 7386 does."""
    if not isinstance(patch, dict):
        return patch
    found = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        found[key] = merge(found.get(key), value)
        if value is None:
            del found[key]
    return found

"""The fence's policies, and what a real API server asked about requests of the two accounts."""

from __future__ import annotations

import asyncio
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

from spawnpenny.admin.permissions.fence import cel_map
from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import make_manifests
from spawnpenny.broker.server import run_broker
from spawnpenny.domain.spawns import Phase, Tls
from spawnpenny.domain.users import Group, User
from spawnpenny.embedded.api.merge import merge_patch
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.kubernetes.sockets import Sockets
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.testing.behaviours import Crash
from spawnpenny.testing.hollow_node import HollowNode
from spawnpenny.testing.site import HUB, Site, settled, site_data, start, stop
from tests.kit.admission import AdmissionRecorder
from tests.kit.fence import load_policies
from tests.kit.policy_server import PolicyServer, refusal

HERE = Path(__file__).parent
WRITES = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}
NONE = {"metadata": {"name": ""}}
ENFORCE = "pod-security.kubernetes.io/enforce"
RESTRICTED = {"runAsUser": 1000, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
CONTAINER = {
    "name": "c",
    "image": "i",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}


@dataclasses.dataclass
class Scene:
    """The recorded admission requests: of the work of a site, and of the requests in the two files."""

    names: dict[str, str]
    roles: list
    recorded: list = dataclasses.field(default_factory=list)
    missed: Counter = dataclasses.field(default_factory=Counter)
    forbidden: dict = dataclasses.field(default_factory=dict)
    allowed: dict = dataclasses.field(default_factory=dict)
    sent: dict = dataclasses.field(default_factory=dict)
    """The requests of the two files as the API server saw them, without what is merged in afterwards."""
    answered: dict | None = None
    """The messages with which the API server's own policies refused them; None if it evaluates no policies."""

    def fence(self, policies, attempt=None):
        """Return the policies with this site's names and accounts, and with what is opened for an attempt."""
        quoted = {key: f"'{value}'" for key, value in self.names.items()}
        service = {key: quoted[key] for key in ("installation", "prefix", "state")}
        broker = service | {key: quoted[key] for key in ("provision", "broker")} | {"accountNamespace": quoted["home"]}
        attempt = attempt or {}
        opened = {"opened": str(attempt.get("opened", [])), "hostPaths": str(attempt.get("paths", []))}
        of_broker = opened | {key: cel_map(attempt.get(key, {})) for key in ("labels", "annotations")}
        return {
            "service": policies["spawnpenny-service"].adapted(self.names["service_account"], **service, **opened),
            "broker": policies["spawnpenny-broker"].adapted(self.names["broker_account"], **broker, **of_broker),
        }


@pytest.fixture(scope="session")
def policies():
    return load_policies(HERE.parents[1] / "kustomize/base/policy.yaml")


@pytest.fixture(scope="session")
def scene(apiserver, tmp_path_factory):
    return asyncio.run(play(apiserver, tmp_path_factory.mktemp("orders")))


async def play(server, folder):
    """Run a site on the API server, and then try what is in the two files."""
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(await KubernetesCluster.connect(str(server.kubeconfig)))
        site, names = await make_scene_site(admin, folder)
        accounts = names["service_account"], names["broker_account"]
        await give_all_rights(stack, admin, names["installation"], accounts)
        node = await stack.enter_async_context(HollowNode(server.url, server.ssl_context()))
        recorder = await stack.enter_async_context(AdmissionRecorder(server, accounts))
        clients = [
            await stack.enter_async_context(await KubernetesCluster.connect(str(server.kubeconfig_for(account))))
            for account in accounts
        ]
        grants = gather(site.settings, load_plugins(site.settings))
        roles = [manifest for manifest in make_manifests(grants, site.settings) if "rules" in manifest]
        scene, since = Scene(names, roles), server.audit_position()
        await live(site, node, *clients)
        scene.recorded = list(recorder.seen)
        scene.missed = missed(server.audit(since), accounts, scene.recorded)
        names |= await prepare(admin, site, names)
        thieves = {
            by: await stack.enter_async_context(client(server, names[f"{by}_account"])) for by in ("service", "broker")
        }
        for trial in ("forbidden", "allowed"):
            for entry in entries(trial, names):
                key = entry.get("theft") or entry["use"], entry["by"]
                sent = await record(thieves, recorder, names, entry)
                scene.sent[key] = (entry, sent)
                getattr(scene, trial)[key] = (entry, with_beyond(sent, entry))
        if server.discovery.evaluates_policies:
            scene.answered = await ask_server(PolicyServer(admin, thieves), thieves, scene)
        return scene


async def ask_server(judge, thieves, scene):
    """Have the API server judge every request of the two files by the policies that it is sent to."""
    policies = load_policies(HERE.parents[1] / "kustomize/base/policy.yaml")

    async def again(entry):
        async with sending(thieves, scene.names, entry) as answer:
            return await refusal(answer)

    attempts = {key: entry for key, (entry, _) in scene.sent.items()}
    return await judge.judge(attempts, lambda entry: scene.fence(policies, entry), again)


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


async def give_all_rights(stack, admin, name, accounts):
    """Let RBAC allow the accounts everything: what refuses them is the fence."""
    group = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": account} for account in accounts],
    }
    resource = Resource(f"{group}/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)
    await admin.create(binding, resource)
    stack.push_async_callback(admin.delete, Ref(resource, name))


async def live(site, node, web, private):
    """Do all the work of a service and its broker, with their own accounts."""
    theirs = Site(site.data, web, separate=True)
    node.behave(lambda pod: pod["metadata"]["namespace"] == site.namespace("bob"), Crash())
    async with run_broker(private, site.settings), theirs.service() as service:
        ada = User("ada", 2001, 2001, (Group("physics", 3001),))
        await settled((await service.spawns.commission(ada, identity=HUB)).run)
        for number, replace in enumerate((False, False, True)):
            await spawned(service, f"s{number}", replace=replace)
            if number == 0:
                await stop(service)
        failed = await settled(await start(service, user="bob"))
        assert failed.record.phase is Phase.FAILED
        await spawned(service, user="Eve@example.org")
        await stop(service, user="Eve@example.org")
    site.data["plugins"] |= {"quota": {"memory": "20Gi", "container": {"cpu": 1}}, "user": {"home": "/homes"}}
    site.data["plugins"]["lab"] = {"internal_ssl": True}
    site.data["housekeeping"] = {"idle": 1e-6}
    async with run_broker(private, site.settings), theirs.service() as service:
        await spawned(service, "changed", replace=True)
        await spawned(service, name="secure", tls=Tls("a key", "a certificate", "an authority"))
        await stop(service, name="secure")
        await stop(service, user="bob")
        await service.maintenance.run_once()
        assert service.spawns.user_state("bob") is None


async def spawned(service, *args, **more):
    run = await settled(await start(service, *args, **more))
    assert run.record.phase is Phase.RUNNING, run.record.reason


def missed(audited, accounts, recorded):
    """Return the writes that the API server answered well, and the recorder did not see."""
    wrote = Counter(
        (WRITES[entry.verb], entry.resource, entry.namespace if entry.resource != "namespaces" else "")
        for entry in audited
        if entry.user in accounts and entry.verb in WRITES and entry.status < 300
    )
    assert wrote
    seen = Counter(
        (
            admission.request["operation"],
            admission.request["resource"]["resource"],
            (admission.namespace or NONE)["metadata"]["name"],
        )
        for admission in recorded
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
    for name, labels, notes in more.values():
        metadata = {"name": name, "labels": labels, "annotations": notes}
        await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    tenant = site.namespace("ada")
    # Else pod security would refuse most of the thefts before anything sees them: here the fence stands alone.
    await admin.patch(Ref(resource_of("Namespace"), tenant), {"metadata": {"labels": {ENFORCE: None}}})
    request = {"spawnpenny.io/kind": "request", "app": "spawnpenny"}
    things = [
        ("ConfigMap", names["state"], "held", {"labels": request}, {}),
        ("ConfigMap", names["state"], "other", {"labels": {"app": "other"}}, {}),
        ("ConfigMap", names["provision"], "held", {}, {}),
        ("Lease", names["state"], "held", {}, {}),
        ("NetworkPolicy", tenant, "held", {}, {"spec": {"podSelector": {}}}),
        ("NetworkPolicy", tenant, "guarded", {"finalizers": ["example.org/guard"]}, {"spec": {"podSelector": {}}}),
        ("PersistentVolumeClaim", tenant, "held", {}, {"spec": CLAIM}),
        ("ServiceAccount", names["provision"], "other", {}, {}),
        ("ServiceAccount", tenant, "other", {}, {}),
    ]
    for kind, namespace, name, more_of_it, content in things:
        head = {"apiVersion": resource_of(kind).api_version, "kind": kind}
        await admin.create(head | {"metadata": {"name": name, "namespace": namespace, **more_of_it}} | content)
    await admin.create(with_parts(bare_pod("broker", names), {"metadata": {"name": "held"}}))
    bindings = await admin.list(resource_of("RoleBinding"), namespace=tenant)
    return {key: name for key, (name, *_) in more.items()} | {
        "tenant": tenant,
        "record": "user-ada",
        "priority": await make_priority_class(admin, names["installation"]),
        "binding": bindings.items[0]["metadata"]["name"],
    }


async def make_priority_class(admin, name):
    resource = Resource("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", namespaced=False)
    head = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}}
    await admin.create({**head, "value": 1000}, resource)
    return name


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


async def record(clients, recorder, names, entry):
    """Send a request as its account, and return the admission request of the API server."""
    before = len(recorder.seen)
    async with sending(clients, names, entry) as answer:
        text = await answer.text()
    assert len(recorder.seen) == before + 1, f"{entry}: {text}"
    return recorder.seen[-1]


def sending(clients, names, entry):
    method, path, body = request_of(entry, names)
    kind = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
    query = {} if "connect" in entry else {"dryRun": "All"}
    data = json.dumps(body) if body else None
    return clients[entry["by"]].request(method, path, params=query, data=data, headers=kind)


def with_beyond(recorded, entry):
    """Merge into a request what the API server at hand may be too old to know, or refuses before any policy."""
    if "beyond" not in entry:
        return recorded
    return dataclasses.replace(recorded, object=with_parts(recorded.object, entry["beyond"]))


def request_of(entry, names):
    if "connect" in entry:
        return "POST", entry["connect"], None
    if "pod" in entry:
        pod = with_parts(bare_pod(entry["by"], names), entry["pod"])
        return "POST", path_of(pod), pod
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


def bare_pod(by, names):
    """Return a pod as the service makes them in a user namespace, or as an order may be."""
    namespace, container = names["provision"], {"name": "c", "image": "i"}
    spec = {"automountServiceAccountToken": False}
    if by == "service":
        namespace, container = names["tenant"], CONTAINER
        spec["securityContext"] = RESTRICTED
    metadata = {"name": "tried", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "containers": [container]}}


def with_parts(pod, parts):
    """Merge into a pod what belongs to its metadata and spec, to its container, or to one more init container."""
    spec = {
        **parts.get("spec", {}),
        "containers": [merge_patch(pod["spec"]["containers"][0], parts.get("container", {}))],
    }
    if "init" in parts:
        spec["initContainers"] = [merge_patch(CONTAINER, {"name": "init"} | parts["init"])]
    return merge_patch(pod, {"metadata": parts.get("metadata", {}), "spec": spec})

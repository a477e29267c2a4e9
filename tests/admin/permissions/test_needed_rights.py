"""A whole site under the accounts of a deployment: no right is missing, and none is too many.

The API server's audit log says what was requested.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import yaml

from spawnpenny.broker.leader import lease_ref
from spawnpenny.broker.namespaces import release_role
from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Phase, Scale
from spawnpenny.domain.users import User
from spawnpenny.kubernetes.pods.events import PLAIN
from spawnpenny.replicas.replica import Replica
from spawnpenny.testing.behaviours import Hold, PullError, Ready
from spawnpenny.testing.site import HUB, lab, settled, start, start_cluster, stop

CLUSTER, TENANT = "all namespaces", "user namespaces"
CONTAINER = {"name": "c", "image": "spawnpenny/shell", "args": ["-c", "true"]}


@dataclass(frozen=True, order=True)
class Right:
    """A verb on a resource somewhere, as an account was granted it or used it."""

    account: str
    place: str
    resource: str
    verb: str


def granted(installation):
    """Return every right in the manifests."""
    broker = installation.settings.broker
    rights = set()
    bindings = {(m["metadata"].get("namespace"), m["metadata"]["name"]): m for m in installation.manifests if bound(m)}
    for role in (manifest for manifest in installation.manifests if "rules" in manifest):
        namespace, name = role["metadata"].get("namespace"), role["metadata"]["name"]
        if name == broker.role:
            account, place = installation.user_of("service"), TENANT
        elif name == release_role(broker):
            account, place = installation.user_of("broker"), TENANT
        else:
            (subject,) = bindings[namespace, name]["subjects"]
            account = f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
            place = namespace or CLUSTER
        for rule in role["rules"]:
            rights |= {Right(account, place, of, verb) for of in rule["resources"] for verb in rule["verbs"]}
    return rights


def used(entries, rights, prefix):
    """Return every right that a request used; one in a user namespace counts for the narrowest that allows it."""
    found = set()
    for entry in entries:
        resource = "/".join(filter(None, (entry.resource, entry.subresource)))
        inside = Right(entry.user, TENANT, resource, entry.verb)
        if not entry.namespace or entry.resource == "namespaces":
            found.add(Right(entry.user, CLUSTER, resource, entry.verb))
        elif entry.namespace.startswith(prefix):
            found.add(inside if inside in rights else Right(entry.user, CLUSTER, resource, entry.verb))
        else:
            found.add(Right(entry.user, entry.namespace, resource, entry.verb))
        if (entry.verb, resource, entry.status) == ("create", "rolebindings", 201):
            found.add(Right(entry.user, CLUSTER, "clusterroles", "bind"))  # or it would have been refused
    return found


def lasting_refusals(entries):
    """Return the refusals that were not over when the same was tried again."""
    lasting = {}
    for entry in entries:
        call = entry.user, entry.verb, entry.resource, entry.subresource, entry.namespace
        if is_refused(entry):
            lasting[call] = entry
        else:
            lasting.pop(call, None)
    return list(lasting.values())


def is_refused(entry):
    """Tell a lack of rights from other refusals, such as that of a quota."""
    return not entry.authorized or (entry.status == 403 and entry.resource == "rolebindings")


def bound(manifest):
    return manifest["kind"].endswith("Binding")


@pytest.fixture
def orders(installation, tmp_path):
    """Give the site a commission order."""
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump({"commission": [CONTAINER]}))
    installation.site.data["broker"]["orders"] = str(path)


@pytest.mark.parametrize(
    "installation",
    [pytest.param({}, id="broker apart"), pytest.param({"broker": {"separate": False}}, id="one process")],
    indirect=True,
)
async def test_no_right_is_missing_and_none_is_too_many(
    installation, apiserver, hollow_node, hollow_schedulers, orders
):
    before = apiserver.audit_position()
    installation.site.data["deadlines"] = {"slow": 0.1}
    installation.site.data["plugins"]["dask"] = {}
    await leave_a_lease(installation)
    async with installation.running() as service:
        await commission(installation, service)
        await come_and_go(service)
        await compute(installation, service, hollow_node)
        await fail(service, hollow_node, installation)
        await lose_the_thread(installation, service)
        await begin(service, hollow_node, installation)
    change_what_is_made(installation)
    installation.site.data["housekeeping"] = {"idle": 1e-6}
    async with installation.running() as service:
        await carry_on(service, hollow_node, installation)
        await let_go(installation, service)
        await contend(installation)
    await ask_in_vain(installation)
    theirs = {installation.user_of(account) for account in ("service", "broker")}
    entries = [entry for entry in apiserver.audit(before) if entry.user in theirs]
    allowed = [entry for entry in entries if not is_refused(entry)]
    rights = granted(installation)
    assert lasting_refusals(entries) == []
    assert sorted(rights - used(allowed, rights, installation.settings.namespaces.prefix)) == []
    assert sorted(used(allowed, rights, installation.settings.namespaces.prefix) - rights) == []


async def leave_a_lease(installation):
    """Leave the Lease of a service that was killed."""
    me = Replica.of(installation.settings)
    await installation.make("Lease", f"replica-{me.name}", installation.settings.namespaces.state, spec={})


async def commission(installation, service):
    """Run the order where an earlier one's objects are left."""
    namespace = installation.settings.namespaces.provision
    ours = {"spawnpenny.io/installation": "another"}
    spec = {"restartPolicy": "Never", "containers": [CONTAINER]}
    pod = {"metadata": {"name": "commission-ada", "namespace": namespace, "labels": ours}, "spec": spec}
    await installation.site.cluster.create({"apiVersion": "v1", "kind": "Pod"} | pod)
    await installation.make("ConfigMap", "commission-ada", namespace)
    run = await settled((await service.spawns.commission(User("ada", 2001, 2001), identity=HUB)).run)
    assert run.record.phase is Phase.RUNNING, run.record.reason


async def come_and_go(service):
    for start_id, more in (("first", {}), ("again", {"replace": True}), ("other", {"name": "other"})):
        run = await settled(await start(service, start_id, **more))
        assert run.record.phase is Phase.RUNNING, run.record.reason
    await stop(service)


async def compute(installation, service, hollow_node):
    """Have a Dask cluster that is scaled, loses a worker, and is stopped."""
    cluster, namespace = await settled(await start_cluster(service)), installation.site.namespace()
    assert cluster.record.phase is Phase.RUNNING, cluster.record.reason
    await service.spawns.scale("ada", cluster.record.key, Scale(3))
    names = await until_workers(service, namespace, 3)
    await hollow_node.exit(namespace, min(names), 137, "OOMKilled")
    await service.service_context.pods.wait_for(namespace, min(names), lambda pod: pod is None)
    await until_workers(service, namespace, 3)
    await service.spawns.scale("ada", cluster.record.key, Scale(1))
    await until_workers(service, namespace, 1)
    await (await service.spawns.stop("ada", cluster.record.key)).until_gone()


async def until_workers(service, namespace, count):
    """Wait until there are so many workers; return their names."""
    with service.service_context.pods.subscribe() as changes:
        while True:
            pods = [pod["metadata"] for pod in service.service_context.pods.within(namespace)]
            names = {pod["name"] for pod in pods if labels.PART in pod["labels"]}
            if len(names) == count:
                return names
            await anext(changes)


async def fail(service, hollow_node, installation):
    hollow_node.behave(labs_of("grace", installation), PullError("manifest for x not found: manifest unknown"))
    run = await settled(await start(service, user="grace"))
    assert run.record.reason.code == "image_unavailable"
    assert await installation.site.objects(user="grace", spawn=run.record.id) == {}


async def lose_the_thread(installation, service):
    """Write to a record from outside, as a lost answer to a write of its own would look like."""
    record = installation.site.ref("Secret", "user-ada", installation.settings.namespaces.state)
    await installation.site.cluster.patch(record, {"metadata": {"annotations": {"touched": "yes"}}})
    run = await settled(await start(service, "third", name="third"))
    assert run.record.phase is Phase.RUNNING, run.record.reason


async def begin(service, hollow_node, installation):
    hollow_node.behave(labs_of("heidi", installation), Hold())
    run, reasons = (
        await start(service, user="heidi"),
        {"Waiting for the lab to answer.": "Pulling", PLAIN["Pulling"]: "Pulled"},
    )
    async for event in run.events():
        if event.message in reasons:  # the first is in the list of events, the second comes over the watch
            await say_of_the_pod(installation, service, reasons[event.message])
        if event.message == PLAIN["Pulled"]:
            return


async def say_of_the_pod(installation, service, reason):
    namespace = installation.site.namespace("heidi")
    pod = await service.service_context.pods.wait_for(namespace, "lab", lambda found: found is not None)
    about = {"kind": "Pod", "namespace": namespace, "name": "lab", "uid": pod["metadata"]["uid"]}
    await installation.make("Event", f"lab.{reason.lower()}", namespace, involvedObject=about, reason=reason)


def labs_of(user, installation):
    """Match the pods of a user's labs."""
    ours = {"spawnpenny.io/installation": installation.settings.installation, "spawnpenny.io/kind": "lab"}
    return ours | {"spawnpenny.io/user": user}


def change_what_is_made(installation):
    plugins = installation.site.data["plugins"]
    plugins["quota"] = {"memory": "20Gi", "container": {"cpu": 1}}
    plugins["user"] = {"home": "/homes"}


async def carry_on(service, hollow_node, installation):
    """Adopt what the service before had begun, and make anew what changed."""
    hollow_node.behave(labs_of("heidi", installation), Ready())
    run = await settled(service.spawns.find("heidi", lab()))
    assert run.record.phase is Phase.RUNNING, run.record.reason
    run = await settled(await start(service, "changed"))
    assert run.record.phase is Phase.RUNNING, run.record.reason
    await stop(service, user="heidi")


async def let_go(installation, service):
    """Keep house when a user has nothing any more."""
    await stop(service, user="grace")
    await service.maintenance.run_once()
    assert service.spawns.user_state("grace") is None


async def contend(installation):
    """Write to the broker's Lease from outside: it looks who has it, and goes on."""
    ref = lease_ref(installation.settings)
    if not installation.settings.broker.separate:
        return
    written = await installation.site.cluster.patch(ref, {"metadata": {"annotations": {"touched": "yes"}}})
    before = written["metadata"]["resourceVersion"]
    await installation.until_seen(
        "Lease", ref.namespace, ref.name, lambda lease: lease["metadata"]["resourceVersion"] != before
    )


async def ask_in_vain(installation):
    """Have a user come while there is no broker."""
    if not installation.settings.broker.separate:
        return
    installation.site.data["broker"]["timeout"] = 1
    async with installation.running(broker=False) as service:
        run = await settled(await start(service, user="ivan"))
        assert run.record.reason.code == "broker_unavailable"

"""The contract of brokers: the local one and the client of a separate one behave alike."""

from __future__ import annotations

import asyncio

import pytest
import yaml

from spawnpenny.domain import labels
from spawnpenny.domain.broker_errors import BrokerRefusedError, NamespaceInUseError, VolumesKeptError
from spawnpenny.domain.users import Group, User
from spawnpenny.errors import NameCollisionError, NotOursError, ProvisionError
from spawnpenny.kubernetes.errors import ConflictError
from spawnpenny.testing.behaviours import Fail
from spawnpenny.testing.pods import foreign_pod

ADA = User("ada", 2001, 2001, (Group("physics", 3001),))
HOME = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def binding(site):
    return site.read("RoleBinding", "spawnpenny-tenant.spawnpenny.spawnpenny")


async def is_going(site, user="ada"):
    existing = await site.read("Namespace", site.namespace(user))
    return existing is None or "deletionTimestamp" in existing["metadata"]


async def test_a_namespace_is_made_with_its_binding_and_found_again(site, opened):
    broker = await opened()
    uid = await broker.claim_namespace("ada")
    assert (await site.read("Namespace", site.namespace()))["metadata"]["uid"] == uid
    assert (await binding(site))["roleRef"]["name"] == "spawnpenny-tenant"
    assert await broker.claim_namespace("ada") == uid


async def test_what_is_asked_for_at_once_ends_in_one_namespace(site, opened):
    broker = await opened()
    uids = await asyncio.gather(*(broker.claim_namespace("ada") for _ in range(5)))
    assert len(set(uids)) == 1


async def test_another_users_namespace_is_refused(site, opened):
    broker = await opened()
    uid = await broker.claim_namespace("ada")
    annotations = {"annotations": {"spawnpenny.io/username": "Ada"}}
    await site.cluster.patch(site.ref("Namespace", site.namespace()), {"metadata": annotations})
    with pytest.raises(NameCollisionError, match="'ada'") as refused:
        await broker.claim_namespace("ada")
    assert refused.value.facts == {"slug": site.namespace()}
    with pytest.raises(NameCollisionError):
        await broker.release_namespace("ada", uid)


async def test_a_namespace_that_is_not_ours_is_left_alone(site, opened):
    broker = await opened()
    made = await site.cluster.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": site.namespace(), "annotations": {"a": "b"}}}
    )
    with pytest.raises(NotOursError, match="does not belong"):
        await broker.claim_namespace("ada")
    with pytest.raises(NotOursError):
        await broker.release_namespace("ada", made["metadata"]["uid"])
    assert await binding(site) is None


async def test_a_namespace_that_is_being_deleted_is_waited_for_and_made_anew(site, opened):
    broker = await opened()
    first = await broker.claim_namespace("ada")
    await broker.release_namespace("ada", first)
    assert await broker.claim_namespace("ada") != first


async def test_a_namespace_is_released_by_its_uid_only(site, opened):
    broker = await opened()
    uid = await broker.claim_namespace("ada")
    with pytest.raises(ConflictError):
        await broker.release_namespace("ada", "another-uid")
    assert not await is_going(site)
    await broker.release_namespace("ada", uid)
    assert await is_going(site)


async def test_releasing_what_is_not_there_is_no_error(opened):
    broker = await opened()
    assert await broker.release_namespace("ada", "some-uid") is None


@pytest.mark.parametrize(("allowed", "requested"), [(True, False), (False, True), (False, False)])
async def test_a_namespace_with_a_volume_claim_is_kept(site, opened, allowed, requested):
    site.data["broker"] = {"purge": allowed}
    broker = await opened()
    uid = await broker.claim_namespace("ada")
    await site.cluster.create(HOME | {"metadata": {"name": "home", "namespace": site.namespace()}})
    with pytest.raises(VolumesKeptError, match="a volume claim lives in it"):
        await broker.release_namespace("ada", uid, purge=requested)
    assert not await is_going(site)


async def test_storage_goes_where_it_is_asked_for_and_allowed(site, opened):
    site.data["broker"] = {"purge": True}
    broker = await opened()
    uid = await broker.claim_namespace("ada")
    await site.cluster.create(HOME | {"metadata": {"name": "home", "namespace": site.namespace()}})
    await broker.release_namespace("ada", uid, purge=True)
    assert await is_going(site)


DATABASE = foreign_pod("theirs", "", image="spawnpenny/shell", args=["-c", "sleep 60"])["spec"]
PORTS = {"ports": [{"port": 80}], "selector": {"app": "db"}}
FOREIGN = [
    ({"kind": "Secret", "type": "Opaque"}, "Secret/theirs"),
    ({"kind": "ConfigMap", "data": {"a": "1"}}, "ConfigMap/theirs"),
    ({"kind": "Pod", "spec": DATABASE}, "Pod/theirs"),
    ({"kind": "Service", "spec": PORTS}, "Service/theirs"),
    ({"kind": "ServiceAccount"}, "ServiceAccount/theirs"),
    ({"kind": "ResourceQuota", "spec": {"hard": {"pods": "9"}}}, "ResourceQuota/theirs"),
]


@pytest.mark.parametrize(("manifest", "named"), FOREIGN, ids=[named for _, named in FOREIGN])
async def test_an_idle_namespace_is_kept_for_whatever_is_not_ours(site, opened, manifest, named):
    broker = await opened()
    uid = await broker.claim_namespace("ada")
    metadata = {"name": "theirs", "namespace": site.namespace(), "labels": {"spawnpenny.io/managed-by": "another"}}
    await site.cluster.create({"apiVersion": "v1", **manifest, "metadata": metadata})
    with pytest.raises(NamespaceInUseError, match=named):
        await broker.release_namespace("ada", uid)
    assert not await is_going(site)
    await broker.release_namespace("ada", uid, foreign=True)
    assert await is_going(site)


async def test_what_belongs_to_ours_and_what_the_settings_ignore_keeps_no_namespace(site, opened):
    site.data["broker"] = {"ignore": ["ConfigMap/istio-*"]}
    broker = await opened()
    uid = await broker.claim_namespace("ada")
    space = {"namespace": site.namespace()}
    ours = labels.ours(site.settings.installation)
    owner = await site.cluster.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "labels": ours, **space}}
    )
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    for name, more in (("istio-ca-root-cert", {}), ("made", {"ownerReferences": [reference]})):
        await site.cluster.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **space, **more}}
        )
    await broker.release_namespace("ada", uid)
    assert await is_going(site)


async def test_only_so_many_namespaces_are_released_in_an_hour(site, opened):
    site.data["broker"] = {"releases": 1}
    broker = await opened()
    uids = {user: await broker.claim_namespace(user) for user in ("ada", "bob")}
    await broker.release_namespace("ada", uids["ada"])
    with pytest.raises(BrokerRefusedError, match=r"broker\.releases"):
        await broker.release_namespace("bob", uids["bob"])
    assert not await is_going(site, "bob")


async def test_there_are_only_so_many_namespaces_and_those_that_are_there_stay_in_use(site, opened):
    site.data["broker"] = {"namespaces": 2}
    broker = await opened()
    claims = (broker.claim_namespace(user) for user in ("ada", "bob", "eve"))
    results = await asyncio.gather(*claims, return_exceptions=True)
    assert [type(result) for result in results if not isinstance(result, str)] == [BrokerRefusedError]
    kept = next(user for user, uid in zip(("ada", "bob", "eve"), results, strict=True) if isinstance(uid, str))
    assert await broker.claim_namespace(kept) in results


async def test_what_is_there_is_not_changed_by_other_settings(site, opened):
    broker = await opened()
    uid = await broker.claim_namespace("ada")
    site.data["broker"] = {"pod_security": "baseline", "account": "another"}
    broker = await opened()
    assert await broker.claim_namespace("ada") == uid
    namespace = await site.read("Namespace", site.namespace())
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert (await binding(site))["subjects"][0]["name"] == "spawnpenny"
    other = await site.read("RoleBinding", "spawnpenny-tenant.spawnpenny.another")
    assert other["subjects"][0]["name"] == "another"


@pytest.fixture
def ordered(site, tmp_path):
    """Return a function that gives the site orders, before its broker is opened."""

    def give(*commands):
        containers = [
            {"name": f"c{number}", "image": "spawnpenny/shell", "args": ["-c", command]}
            for number, command in enumerate(commands)
        ]
        path = tmp_path / "m.yaml"
        path.write_text(yaml.safe_dump({"commission": containers, "retire": containers}))
        site.data["broker"] = {"orders": str(path)}
        return path

    return give


async def test_an_order_runs_and_leaves_nothing_behind(site, opened, ordered):
    ordered("true", "true")
    broker = await opened()
    assert broker.order_hash("commission")
    await broker.provision(ADA, "commission")
    await broker.provision(ADA, "retire")
    left = await site.cluster.list(site.ref("Pod", "x").resource, namespace=site.settings.namespaces.provision)
    assert left.items == ()


async def test_an_order_that_fails_says_which_container_and_how(request, site, opened, ordered):
    ordered("exit 4")
    if "kube" in request.node.callspec.params.values():
        request.getfixturevalue("hollow_node").behave({"spawnpenny.io/kind": "order"}, Fail(4))
    broker = await opened()
    with pytest.raises(ProvisionError, match="exit code 4"):
        await broker.provision(ADA, "commission")


async def test_without_orders_there_is_nothing_to_do(opened):
    broker = await opened()
    assert (broker.order_hash("commission"), broker.order_hash("retire")) == ("", "")
    await broker.provision(ADA, "commission")


async def test_no_order_runs_for_a_uid_that_is_not_a_users(opened, ordered):
    ordered("true")
    broker = await opened()
    with pytest.raises(BrokerRefusedError, match="999"):
        await broker.provision(User("ada", 999, 2001), "commission")


async def test_no_order_runs_for_the_owner_of_a_name_that_another_has(site, opened, ordered):
    ordered("true")
    broker = await opened()
    own_labels = {"spawnpenny.io/managed-by": "spawnpenny", "spawnpenny.io/installation": site.settings.installation}
    metadata = {"name": site.namespace(), "labels": own_labels, "annotations": {"spawnpenny.io/username": "Ada"}}
    await site.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    with pytest.raises(NameCollisionError):
        await broker.provision(ADA, "commission")


async def test_orders_that_cannot_be_read_are_reported_without_what_is_in_them(opened, ordered):
    path = ordered("true")
    broker = await opened()
    path.write_text("commission: [s3cr3t")
    with pytest.raises(ProvisionError, match="orders cannot be read") as raised:
        await broker.provision(ADA, "commission")
    assert "s3cr3t" not in str(raised.value)

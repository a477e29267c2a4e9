"""The permissions that the broker and its client declare are all that they need."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import pytest
import yaml

from spawnpenny.broker import client as broker_client
from spawnpenny.broker import contents, leader, namespaces, order_runs, server
from spawnpenny.broker.client import run_broker_client
from spawnpenny.domain.users import User
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.errors import AlreadyExistsError, ClusterForbiddenError
from spawnpenny.kubernetes.kinds import Resource

GROUP = "rbac.authorization.k8s.io"
ACCESS_CHECK = Resource(
    "authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False, stored=False
)
BROKER = (namespaces.PERMISSIONS, order_runs.PERMISSIONS, leader.PERMISSIONS, server.PERMISSIONS)
SERVICE = (broker_client.PERMISSIONS,)


def release_permissions(site):
    """Return the permissions of the release role, which the broker binds for its account, not for a test's user."""
    return {"cluster": contents.permissions(site.settings.broker)}


def rules(permissions, role):
    return [
        {
            "apiGroups": [permission.resource.group],
            "resources": [permission.resource.plural],
            "verbs": sorted(permission.verbs),
            **({"resourceNames": [role, f"{role}-release"]} if permission.verbs == {"bind"} else {}),
        }
        for permission in permissions
    ]


async def grant(site, user, declared):
    """Grant a user the permissions that some parts declare, and nothing else."""
    spaces, role = site.settings.namespaces, site.settings.broker.role
    where = {"cluster": None, "state": spaces.state, "broker": spaces.broker, "provision": spaces.provision}
    for number, (zone, permissions) in enumerate(pair for part in declared for pair in part.items()):
        kind = "ClusterRole" if where[zone] is None else "Role"
        name = f"{user.replace(':', '-')}-{number}"
        metadata = {"name": name, **({"namespace": where[zone]} if where[zone] else {})}
        common = {"apiVersion": f"{GROUP}/v1", "metadata": metadata}
        await site.cluster.create({**common, "kind": kind, "rules": rules(permissions, role)})
        subject = {"kind": "User", "apiGroup": GROUP, "name": user}
        ref = {"apiGroup": GROUP, "kind": kind, "name": name}
        await site.cluster.create({**common, "kind": f"{kind}Binding", "roleRef": ref, "subjects": [subject]})
        for permission in permissions:
            await until_allowed(site, user, permission, where[zone])


async def until_allowed(site, user, permission, namespace):
    """Wait until the API server applies a stored role, which reaches it by its own watches."""
    verb, resource = min(permission.verbs), permission.resource
    about = {"verb": verb, "group": resource.group, "resource": resource.plural, "namespace": namespace or ""}
    if verb == "bind":
        about["name"] = site.settings.broker.role
    spec = {"user": user, "resourceAttributes": about}
    body = {"apiVersion": ACCESS_CHECK.api_version, "kind": ACCESS_CHECK.kind, "metadata": {}, "spec": spec}
    while not (await site.cluster.create(body, ACCESS_CHECK))["status"].get("allowed"):
        pass


@pytest.fixture
async def under(apiserver, kube_site):
    """Connect to the API server as a user with the permissions that some parts declare."""
    async with AsyncExitStack() as stack:

        async def connect(name, declared):
            user = f"{kube_site.settings.installation}:{name}"
            await grant(kube_site, user, declared)
            kubeconfig = str(apiserver.kubeconfig_for(user))
            return user, await stack.enter_async_context(await KubernetesCluster.connect(kubeconfig))

        yield connect


async def test_the_declared_rights_are_enough_and_none_is_refused(apiserver, kube_site, under, tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump({"commission": [{"name": "c", "image": "spawnpenny/shell"}]}))
    kube_site.data["broker"] = {"orders": str(path)}
    broker_user, brokers = await under("broker", (*BROKER, release_permissions(kube_site)))
    service_user, services = await under("service", SERVICE)
    release = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["list"]}
    role = {"metadata": {"name": f"{kube_site.settings.broker.role}-release"}, "rules": [release]}
    with suppress(AlreadyExistsError):
        await kube_site.cluster.create({"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", **role})
    position = apiserver.audit_position()
    async with replace(kube_site, cluster=brokers).broker(), run_broker_client(services, kube_site.settings) as broker:
        uid = await broker.claim_namespace("ada")
        assert await broker.claim_namespace("ada") == uid
        await broker.provision(User("ada", 2001, 2001), "commission")
        await broker.release_namespace("ada", uid)
    entries = [entry for entry in apiserver.audit(position) if entry.user in {broker_user, service_user}]
    assert {entry.user for entry in entries} == {broker_user, service_user}
    assert [entry for entry in entries if entry.status == 403] == []


async def test_the_brokers_account_binds_no_other_role(kube_site, under):
    kube_site.data["broker"] = {"role": "spawnpenny-tenant"}
    _, brokers = await under("broker", (*BROKER, release_permissions(kube_site)))
    binding = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "stolen", "namespace": kube_site.settings.namespaces.state},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "apiGroup": GROUP, "name": "thief"}],
    }
    with pytest.raises(ClusterForbiddenError):
        await brokers.create(binding)

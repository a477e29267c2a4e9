"""A site whose service may read pods only in the namespaces of its users."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from spawnpenny.broker.local import run_local_broker
from spawnpenny.cluster.kinds import Resource
from spawnpenny.cluster.kubernetes import KubernetesCluster
from spawnpenny.cluster.port import Cluster
from spawnpenny.plugins import load_plugins
from spawnpenny.service import run_service
from spawnpenny.testing.site import Site

GROUP = "rbac.authorization.k8s.io"
ROLE, BINDING = (
    Resource(f"{GROUP}/v1", kind, f"{kind.lower()}s", namespaced=False)
    for kind in ("ClusterRole", "ClusterRoleBinding")
)
STATE = [{"apiGroups": ["", "coordination.k8s.io"], "resources": ["secrets", "configmaps", "leases"], "verbs": ["*"]}]
EVERYWHERE = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]}]
TENANT = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "delete"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "delete"]},
    {"apiGroups": [""], "resources": ["configmaps", "resourcequotas", "limitranges"], "verbs": ["create", "patch"]},
]


@dataclass
class ReadingSite(Site):
    """``cluster`` is the broker's and the test's; the service has ``limited``."""

    limited: Cluster | None = None

    @asynccontextmanager
    async def service(self):
        settings = self.settings
        plugins = load_plugins(settings, extra=self.plugins)
        async with (
            run_local_broker(self.cluster, settings) as broker,
            run_service(settings, plugins, self.limited or self.cluster, broker) as service,
        ):
            await service.until_ready()
            yield service


@pytest.fixture
async def reading_site(apiserver, kube_site):
    name, namespaces = kube_site.settings.installation, kube_site.settings.namespaces
    account = {"kind": "ServiceAccount", "name": "service", "namespace": name}
    kube_site.data["namespaces"]["reads"] = "namespace"
    kube_site.data["broker"] = {"role": f"{name}-tenant", "account": "service", "account_namespace": name}

    async def role(of, rules, resource=ROLE, **metadata):
        made = {
            "apiVersion": f"{GROUP}/v1",
            "kind": resource.kind,
            "metadata": {"name": of, **metadata},
            "rules": rules,
        }
        await kube_site.cluster.create(made, resource)

    async def bind(of, kind, resource=BINDING, **metadata):
        ref = {"apiGroup": GROUP, "kind": kind, "name": of}
        made = {"apiVersion": f"{GROUP}/v1", "kind": resource.kind, "metadata": {"name": of, **metadata}}
        await kube_site.cluster.create({**made, "roleRef": ref, "subjects": [account]}, resource)

    await role(f"{name}-tenant", TENANT)
    await role(f"{name}-everywhere", EVERYWHERE)
    await bind(f"{name}-everywhere", "ClusterRole")
    await role(f"{name}-state", STATE)
    binding = Resource(f"{GROUP}/v1", "RoleBinding", "rolebindings")
    await bind(f"{name}-state", "ClusterRole", binding, namespace=namespaces.state)
    kubeconfig = apiserver.kubeconfig_for(f"system:serviceaccount:{name}:service")
    async with await KubernetesCluster.connect(str(kubeconfig)) as limited:
        yield ReadingSite(kube_site.data, kube_site.cluster, limited=limited)


@pytest.fixture(params=["embedded", "kube", "reading"])
def any_site(request):
    """Have a site on each of the two clusters, and one whose service reads pods in each namespace by itself."""
    return request.getfixturevalue(f"{request.param}_site")

"""A deployment on the real API server: what the manifests make, and what a service and a broker keep up."""

from __future__ import annotations

import copy
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from spawnpenny.admin.doctor.examine import examine
from spawnpenny.admin.permissions.fence import BINDING, POLICY, make_fence
from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import account_of, make_manifests
from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.orders import Orders
from spawnpenny.broker.server import run_broker
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.replicas.heartbeat import Heartbeat
from spawnpenny.replicas.replica import Replica
from spawnpenny.settings.load import make_settings
from spawnpenny.testing.site import site_data

LEVEL = "pod-security.kubernetes.io/enforce"
ORDERS = Orders()
FENCE = {
    kind: Resource("admissionregistration.k8s.io/v1", kind, plural, namespaced=False)
    for kind, plural in ((POLICY, "validatingadmissionpolicies"), (BINDING, "validatingadmissionpolicybindings"))
}


async def _nothing():
    """Have nothing to catch up with."""


@dataclass
class Ward:
    """A deployment, its settings, and an administrator's way into the cluster."""

    data: dict
    cluster: KubernetesCluster
    fenced: bool
    """Whether the API server evaluates admission policies, so that the deployment has them."""
    broker: AsyncExitStack = field(default_factory=AsyncExitStack)
    """Runs the broker, until it is closed."""

    @property
    def settings(self):
        return make_settings(self.data)

    async def deploy(self):
        """Make what a deployment has."""
        settings, plugins = self.settings, load_plugins(self.settings)
        spaces = settings.namespaces
        for name in (settings.broker.account_namespace, spaces.state, spaces.broker, spaces.provision):
            level = "baseline" if name == spaces.provision else "restricted"
            metadata = {"name": name, "labels": {LEVEL: level}}
            await self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        for account in ("service", "broker"):
            namespace, name = account_of(account, settings)
            metadata = {"name": name, "namespace": namespace}
            await self.cluster.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        for manifest in make_manifests(gather(settings, plugins), settings):
            await self.cluster.create(manifest)
        if self.fenced:
            for manifest in make_fence(settings, ORDERS):
                await self.cluster.create(manifest, FENCE[manifest["kind"]])
        await self.beat()
        await self.broker.enter_async_context(run_broker(self.cluster, settings))
        async with run_broker_client(self.cluster, settings) as broker:
            await broker.claim_namespace("ada")

    async def beat(self):
        """Take the Lease of a replica, as a service does that begins."""
        replica = Replica("one", "one_1", "http://one.example.org:8080")
        spaces, installation = self.settings.namespaces, self.settings.installation
        heart = Heartbeat(
            self.cluster, replica, namespace=spaces.state, installation=installation, seconds=3600, catch_up=_nothing
        )
        await heart.begin()

    async def remove_fence(self):
        """Delete the admission policies, where there are any."""
        if self.fenced:
            for manifest in make_fence(self.settings, ORDERS):
                await self.cluster.delete(Ref(FENCE[manifest["kind"]], manifest["metadata"]["name"]))

    def ref(self, kind, name, namespace=None):
        return Ref(resource_of(kind), name, namespace)

    async def look(self, cluster=None, **options):
        """Return what the doctor found that is not well: check, level and sentence."""
        settings, options = self.settings, {"orders": ORDERS, **options}
        found = await examine(settings, load_plugins(settings), cluster or self.cluster, **options)
        return [(finding.check, finding.level.value, finding.says) for finding in found if finding.level != "ok"]


@pytest.fixture
async def ward(kubernetes_cluster, apiserver):
    prefix = f"d{secrets.token_hex(3)}"
    data = site_data(prefix)
    data["namespaces"] |= {"broker": f"{prefix}-broker", "prefix": f"{prefix}u-"}
    data["broker"] = {
        "account": f"{prefix}-web",
        "account_namespace": f"{prefix}-home",
        "role": f"{prefix}-tenant",
        "lease": 3600,
    }
    ward = Ward(data, kubernetes_cluster, apiserver.discovery.evaluates_policies)
    as_deployed = copy.deepcopy(data)
    async with ward.broker:
        await ward.deploy()
        yield ward
    ward.data = as_deployed  # which a test may have changed
    await ward.remove_fence()
    for name in (f"{prefix}-web", f"{prefix}-web-broker", "too-much"):
        await kubernetes_cluster.delete(ward.ref("ClusterRoleBinding", name))


@pytest.fixture
def as_account(apiserver):
    """Connect as a service account."""

    @asynccontextmanager
    async def connect(namespace, name):
        kubeconfig = apiserver.kubeconfig_for(f"system:serviceaccount:{namespace}:{name}")
        async with await KubernetesCluster.connect(str(kubeconfig)) as cluster:
            yield cluster

    return connect

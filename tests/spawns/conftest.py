"""A site whose service may read pods only in the namespaces of its users."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import make_manifests
from spawnpenny.broker.local import run_local_broker
from spawnpenny.broker.requests import is_request
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.interface import Cluster
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.service import run_service
from spawnpenny.testing.site import Site


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
    """Have a site whose service has the rights that are printed for this way of reading, and no others."""
    name = kube_site.settings.installation
    kube_site.data["namespaces"]["reads"] = "namespace"
    kube_site.data["broker"] = {"role": f"{name}-tenant", "account": name, "account_namespace": name}
    settings = kube_site.settings
    grants = [grant for grant in gather(settings, load_plugins(settings)) if grant.account == "service"]
    for manifest in make_manifests(grants, settings):
        await kube_site.cluster.create(manifest)
    kubeconfig = apiserver.kubeconfig_for(f"system:serviceaccount:{name}:{name}")
    async with await KubernetesCluster.connect(str(kubeconfig)) as limited:
        yield ReadingSite(kube_site.data, kube_site.cluster, limited=limited)


@pytest.fixture(params=["embedded", "kube", "reading"])
def any_site(request):
    """Have a site on each of the two clusters, and one whose service reads pods in each namespace by itself."""
    return request.getfixturevalue(f"{request.param}_site")


@pytest.fixture
def until_no_claims():
    """Return a function that waits until all requests to a broker's process are answered and deleted."""

    async def wait(broker):
        requests = broker._maps
        with requests.subscribe() as changes:
            while any(is_request(item) for item in requests.items()):
                await anext(changes)

    return wait


@pytest.fixture
def counted(apiserver):
    """Return the calls to the API server in a block, except the informers' lists and watches."""

    class Counter:
        def __enter__(self):
            self.position, self.calls = apiserver.audit_position(), []
            return self.calls

        def __exit__(self, *error):
            entries = apiserver.audit(self.position, user_agent="spawnpenny/")
            self.calls += [f"{entry.verb} {entry.resource}" for entry in entries if entry.verb not in {"list", "watch"}]

    return Counter

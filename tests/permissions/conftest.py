"""An installation on the real API server whose service and broker have the rights that are printed, and no others."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from spawnpenny.broker.local import run_local_broker
from spawnpenny.cluster.informer import Informer
from spawnpenny.cluster.kinds import resource_of
from spawnpenny.cluster.kubernetes import KubernetesCluster
from spawnpenny.errors import AlreadyExistsError
from spawnpenny.permissions.grants import gather
from spawnpenny.permissions.manifests import account_of, make_manifests
from spawnpenny.plugins import load_plugins
from spawnpenny.service import run_service
from spawnpenny.testing.apiserver import ApiServer
from spawnpenny.testing.site import Site, site_data


@dataclass
class Installation:
    """What a deployment makes, and how its two accounts reach the cluster. ``site`` itself has all rights."""

    apiserver: ApiServer
    site: Site

    @property
    def settings(self):
        return self.site.settings

    @property
    def manifests(self):
        return make_manifests(gather(self.settings, load_plugins(self.settings)), self.settings)

    async def deploy(self):
        """Make the namespaces, the accounts and their rights."""
        spaces, broker = self.settings.namespaces, self.settings.broker
        for name in (broker.account_namespace, spaces.state, spaces.broker, spaces.provision):
            await self.make("Namespace", name)
        for account in ("service", "broker"):
            namespace, name = account_of(account, self.settings)
            await self.make("ServiceAccount", name, namespace)
        for manifest in self.manifests:
            await self.site.cluster.create(manifest)

    async def make(self, kind, name, namespace=None, **content):
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        api = resource_of(kind).api_version
        try:
            return await self.site.cluster.create({"apiVersion": api, "kind": kind, "metadata": metadata, **content})
        except AlreadyExistsError:
            return None

    def user_of(self, account):
        """Return the name that the API server knows an account by."""
        return "system:serviceaccount:{}:{}".format(*account_of(account, self.settings))

    async def until_filled(self, namespace):
        """Return the token Secret of a theft once a controller has put a token into it."""
        secrets = Informer(self.site.cluster, resource_of("Secret"), namespace=namespace)
        watching = asyncio.create_task(secrets.run())
        try:
            async with asyncio.timeout(30):
                return await secrets.wait_for(namespace, "theft", lambda each: each and "token" in each.get("data", {}))
        finally:
            watching.cancel()

    async def connect(self, stack, account):
        """Connect as an account."""
        kubeconfig = self.apiserver.kubeconfig_for(self.user_of(account))
        return await stack.enter_async_context(await KubernetesCluster.connect(str(kubeconfig)))

    @asynccontextmanager
    async def running(self):
        """Run the service and the broker, each under its own account, until the context ends."""
        async with AsyncExitStack() as stack:
            service, broker = [await self.connect(stack, account) for account in ("service", "broker")]
            settings = self.settings
            local = await stack.enter_async_context(run_local_broker(broker, settings))
            plugins = load_plugins(settings, extra=self.site.plugins)
            run = await stack.enter_async_context(run_service(settings, plugins, service, local))
            await run.until_ready()
            yield run


def installation_data(**more):
    """Return settings with every name its own, as an API server may have several installations."""
    mark = f"p{secrets.token_hex(3)}"
    data = site_data(mark)
    data["namespaces"] |= {"broker": f"{mark}-broker", "prefix": f"{mark}u-"}
    account = {"account": f"{mark}-web", "account_namespace": f"{mark}-home", "role": f"{mark}-tenant"}
    data["broker"] = account | more.pop("broker", {})
    return data | more


@pytest.fixture
async def installation(apiserver, kubernetes_cluster, hollow_node):
    """Have an installation with two accounts, its pods on the hollow node."""
    made = Installation(apiserver, Site(installation_data(), kubernetes_cluster))
    await made.deploy()
    return made

"""An installation on the real API server whose service and broker have the rights that are printed, and no others."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import account_of, make_manifests
from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.local import run_local_broker
from spawnpenny.broker.server import run_broker
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.errors import AlreadyExistsError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.service import run_service
from spawnpenny.testing.apiserver import ApiServer
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import Site, settled, site_data, start

ABOUT_ONESELF = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
"""What every account may ask; the last one since Kubernetes 1.28."""


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

    async def until_seen(self, kind, namespace, name, takes):
        """Return an object once it is as wanted."""
        objects = Informer(self.site.cluster, resource_of(kind), namespace=namespace)
        watching = asyncio.create_task(objects.run())
        try:
            async with asyncio.timeout(PATIENCE):
                return await objects.wait_for(namespace, name, lambda found: found is not None and takes(found))
        finally:
            watching.cancel()

    async def connect(self, stack, account):
        """Connect as an account."""
        kubeconfig = self.apiserver.kubeconfig_for(self.user_of(account))
        return await stack.enter_async_context(await KubernetesCluster.connect(str(kubeconfig)))

    @asynccontextmanager
    async def running(self, *, broker=True):
        """Run the service and, if it is to be there, the broker, each under its own account, until the context ends."""
        async with AsyncExitStack() as stack:
            settings = self.settings
            service = await self.connect(stack, "service")
            if broker and settings.broker.separate:
                await stack.enter_async_context(run_broker(await self.connect(stack, "broker"), settings))
            client = (run_broker_client if settings.broker.separate else run_local_broker)(service, settings)
            way = await stack.enter_async_context(client)
            plugins = load_plugins(settings, extra=self.site.plugins)
            run = await stack.enter_async_context(run_service(settings, plugins, service, way))
            await run.until_ready()
            yield run


def installation_data(more):
    """Return settings with every name its own, as an API server may have several installations."""
    prefix = f"p{secrets.token_hex(3)}"
    data = site_data(prefix)
    data["namespaces"] |= {"broker": f"{prefix}-broker", "prefix": f"{prefix}u-"}
    data["broker"] = {"account": f"{prefix}-web", "account_namespace": f"{prefix}-home", "role": f"{prefix}-tenant"}
    for section, content in more.items():
        data[section] |= content
    return data


@pytest.fixture
async def installation(apiserver, kubernetes_cluster, hollow_node, request):
    """Have an installation with its accounts, its pods on the hollow node; a parameter is further settings."""
    made = Installation(apiserver, Site(installation_data(getattr(request, "param", {})), kubernetes_cluster))
    await made.deploy()
    return made


class Thief:
    """Speaks to the API server as somebody, past all code of ours."""

    def __init__(self, session):
        self._session = session

    async def answer(self, method, path, body=None, **headers):
        """Return the status of a request; what it would change is not changed."""
        query = {} if method == "GET" else {"dryRun": "All"}
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self._session.request(method, path, json=body, params=query, headers=headers) as answer:
            return answer.status

    async def ask(self, path, body):
        async with self._session.post(path, json=body) as answer:
            return await answer.json()

    async def rights(self, namespace):
        """Return each (verb, resource) that this account has in a namespace, as the API server tells."""
        request = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
        answer = await self.ask(
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", request | {"spec": {"namespace": namespace}}
        )
        assert not answer["status"]["incomplete"]
        found = {
            (verb, resource)
            for rule in answer["status"]["resourceRules"]
            for verb in rule["verbs"]
            for resource in rule["resources"]
        }
        return {(verb, resource) for verb, resource in found if resource not in ABOUT_ONESELF}

    async def may(self, verb, group, resource, namespace):
        """Return whether one thing is allowed."""
        main, _, sub = resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": main, "subresource": sub, "namespace": namespace}
        request = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return (await self.ask(path, request | {"spec": {"resourceAttributes": attributes}}))["status"]["allowed"]

    async def resources(self):
        """Return every resource that the API server has, with its group, but for questions about oneself."""
        async with self._session.get("/apis") as answer:
            groups = (await answer.json())["groups"]
        paths = ["/api/v1", *(f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"])]
        found = set()
        for path in paths:
            async with self._session.get(path) as answer:
                listed = (await answer.json())["resources"]
            group = path.split("/")[2] if path.startswith("/apis") else ""
            found |= {(group, entry["name"]) for entry in listed if entry["name"] not in ABOUT_ONESELF}
        return found


@pytest.fixture
def thief_of(apiserver):
    """Be somebody, by a client certificate or by a token alone."""

    @asynccontextmanager
    async def be(user=None, *, token=None):
        context = ssl.create_default_context(cafile=str(apiserver.ca)) if token else apiserver.ssl_context(user, None)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(apiserver.url, connector=connector, headers=headers) as session:
            yield Thief(session)

    return be


@pytest.fixture
async def places(installation):
    """Have a user with a running lab; return where everything is."""
    async with installation.running() as service:
        run = await settled(await start(service, env={"JUPYTER_TOKEN": "s3cr3t"}))
        assert run.record.reason is None
        settings, spaces = installation.settings, installation.settings.namespaces
        yield {
            "home": settings.broker.account_namespace,
            "state": spaces.state,
            "broker": spaces.broker,
            "provision": spaces.provision,
            "tenant": installation.site.namespace(),
            "role": settings.broker.role,
            "accounts": [account_of(account, settings)[1] for account in ("service", "broker")],
        }

"""The gateway on a real embedded cluster, with Dask clusters whose pods are small, and dask-gateway's own client."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
from dask_gateway import Gateway
from dask_gateway.auth import BasicAuth
from spawnpenny_dask import spawnpenny_gauges, spawnpenny_kinds, spawnpenny_routes
from spawnpenny_dask.errors import ClusterIdleError

from spawnpenny.api import Authority, ClusterOption, OptionType, Resources, Step, WorkerGroup, allow, hookimpl
from spawnpenny.testing.plugins import EmbeddedCluster
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.testing.web_server import WebServer, serve_site, token_settings

TOKENS = {
    "ada": (["spawn:self"], "ada"),
    "ada-lab": (["lab:self"], "ada"),
    "ada-reader": (["read:self"], "ada"),
    "bob": (["spawn:self"], "bob"),
    "admin": (["admin"], None),
    "hub": (["read:any", "delete:any", "spawn:any"], None),
    "nobody": ([], "ada"),
    "proxy": (["routes"], None),
}
SLOW = ("{python}", "-c", "import signal; signal.pause()")
ENDING = ("sh", "-c", "exit 3")
WORKERS = {"slow": "slow", "ending": "ending", "none": "none"}
"""By the option ``queue``: the images of workers that do not come to run."""
OPTIONS = (
    ClusterOption("worker_cores", OptionType.INT, 1, "Cores", minimum=1, maximum=2),
    ClusterOption("worker_memory", OptionType.FLOAT, 1, minimum=0.25, maximum=8),
    ClusterOption("image", OptionType.STRING, "small"),
    ClusterOption("queue", OptionType.SELECT, "short", choices=("short", "long", *WORKERS)),
    ClusterOption("gpu", OptionType.BOOL, default=False),
    ClusterOption("environment", OptionType.MAPPING, {}, secret=True),
)
GROUPS = (WorkerGroup("default", 1, 2**30, 10), WorkerGroup("spot", 2, 2**31, 10, "Cheap", "May go at any time."))


class Flock(Step):
    """A Dask cluster without Dask: pods that answer and do no more."""

    name = "dask"
    kinds = frozenset({"dask"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    def __init__(self):
        self.over = asyncio.Event()
        self.idle = None

    def resources(self, spawn):
        return Resources(cpu=1 + spawn.scale.count * spawn.options["worker_cores"] + 2 * spawn.scale.of("spot"))

    def secrets(self, spawn):
        return {"authority": Authority.create(spawn.name).pem}

    async def apply(self, spawn):
        pod = await spawn.cluster.wait(await spawn.cluster.ensure(self._pod(spawn, spawn.names.base)))
        spawn.publish_url(url=self.url(spawn, pod), pod=pod["metadata"]["uid"])

    def url(self, spawn, pod):
        return f"tls://{pod['status']['podIP']}:8786" if pod["metadata"]["name"] == spawn.names.base else None

    async def supervise(self, spawn):
        while not self.over.is_set():
            await spawn.note_idle(self.idle)
            existing = {pod["metadata"]["name"] for pod in spawn.cluster.pods()}
            for group in ("default", "spot"):
                for name in (spawn.names.own(f"{group}-{number}") for number in range(spawn.scale.of(group))):
                    if name not in existing:
                        await spawn.cluster.ensure(self._pod(spawn, name, "worker", group))
            ended, changed = asyncio.create_task(self.over.wait()), asyncio.create_task(spawn.changed(60))
            await asyncio.wait({ended, changed}, return_when=asyncio.FIRST_COMPLETED)
        raise ClusterIdleError("Nothing ran on it for an hour.")

    async def revert(self, spawn):
        for pod in spawn.cluster.pods():
            await spawn.cluster.remove(pod)
        await spawn.cluster.discard("Pod", spawn.names.base)

    def _pod(self, spawn, name, part=None, group="default"):
        labels = {"spawnpenny.io/part": part} if part else {}
        labels |= {"spawnpenny.io/worker-group": group} if group != "default" else {}
        container = {
            "name": "main",
            "image": WORKERS.get(spawn.options["queue"], "small") if part else spawn.options["image"],
            "readinessProbe": {"httpGet": {"port": 8888}, "periodSeconds": 1},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
        spec = {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
        spec |= {"restartPolicy": "Never"} if part else {}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


@pytest.fixture
async def flock():
    """Return the step that makes clusters; ``over`` ends them."""
    return Flock()


@pytest.fixture
async def site(tmp_path, flock):
    images = {"spawnpenny/lab": SMALL_LAB, "small": SMALL_LAB, "slow": SLOW, "ending": ENDING}
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.data["plugins"]["quota"] = {"cpu": 6}
        site.data["deadlines"] = {"stop": 10}
        site.data["tokens"] = token_settings(TOKENS)
        steps, options = hookimpl(lambda settings: [flock]), hookimpl(lambda user, settings: list(OPTIONS))
        groups = hookimpl(lambda settings: list(GROUPS))
        site.plugins = {
            "flock": SimpleNamespace(
                spawnpenny_kinds=spawnpenny_kinds,
                spawnpenny_routes=spawnpenny_routes,
                spawnpenny_gauges=spawnpenny_gauges,
                spawnpenny_steps=steps,
                spawnpenny_cluster_options=options,
                spawnpenny_worker_groups=groups,
            )
        }
        yield site


@dataclass(frozen=True)
class Server(WebServer):
    """A served application that dask-gateway's own client can ask, too."""

    def gateway(self, name="ada"):
        """Make dask-gateway's own client, which sends the token of that name as a password."""
        auth = BasicAuth("lab", f"{name}-token")
        return Gateway(f"{self.url}/gateway/", auth=auth, asynchronous=True)


@asynccontextmanager
async def serve(site, name=None, port=0):
    """Serve a site, ready, until the context ends; several at once under different names."""
    settings = site.settings
    if name is not None:
        replica = replace(settings.replicas, name=name, address=f"http://127.0.0.1:{port}")
        settings = replace(settings, replicas=replica)
    async with serve_site(site, port=port, settings=settings) as server:
        yield Server(server.app, server.url, server.port)


@pytest.fixture
def serving():
    return serve


@pytest.fixture
def options():
    """Return the cluster options of the site."""
    return OPTIONS


@pytest.fixture
async def server(site):
    """Serve the site, ready."""
    async with serve(site) as server:
        yield server


@pytest.fixture
async def caller(server):
    """Make clients, which are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(name=None):
            return await stack.enter_async_context(server.client(name))

        yield make


@pytest.fixture
async def gateway(server):
    async with server.gateway() as gateway:
        yield gateway

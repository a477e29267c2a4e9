"""A service on the embedded cluster, its clients, a proxy between them that breaks what it passes on; a Dask site."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_asyncio
from aiohttp import web

import spawnpenny
from spawnpenny.clients.http import Client, Patience
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.testing.dask import dask_site
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.testing.web_server import serve_site, token_settings

TOKENS = {"hub": (["read:any", "spawn:any", "delete:any", "commission"], None), "ada": (["spawn:self"], "ada")}
HERE = str(Path(spawnpenny.__file__).parents[1])
IMPORT = "from spawnpenny.clients.dask import SpawnpennyCluster"
WAIT = 'trap exit TERM; sleep "${SECONDS_OF_WAIT:-4}" & wait $!; exec "$0" "$@"'
TYPES = {"worker_cores": "float", "worker_memory": "float", "image": "string", "environment": "mapping"}
DASK = {"options": {name: {"type": kind} for name, kind in TYPES.items()}}
SLOW = ["sh", "-c", WAIT, sys.executable, "-P", "{lab}", "{pod_ip}"]
SLOW_LAB = ("{python}", "-c", "import signal; signal.pause()")


@pytest.fixture
async def site(tmp_path):
    images = {"spawnpenny/lab": SMALL_LAB, "slow": SLOW_LAB}
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.data["plugins"]["lab"] = {
            "images": {"default": "spawnpenny/lab", "slow": "slow", "none": "no/such"},
            "grace": 1,
        }
        site.data["tokens"] = token_settings(TOKENS)
        yield site


@pytest.fixture
async def service(site):
    async with serve_site(site) as server:
        yield SimpleNamespace(port=server.port, spawns=server.service.spawns)


@pytest.fixture
async def client_of():
    """Open clients, which are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(port, token="hub-token", **more):
            patience = Patience(**{"total": 20.0, "first": 0.01, "most": 0.1} | more)
            return await stack.enter_async_context(Client(f"http://127.0.0.1:{port}", token, patience=patience))

        yield make


@pytest.fixture
async def hub(service, client_of):
    return await client_of(service.port)


class Proxy:
    """Passes bytes on, and cuts each connection after a pattern in what comes back, as often as it is told to."""

    def __init__(self):
        self.port = self.behind = 0
        self.cut_after = b""
        self.cuts = 0
        self.tasks = set()

    async def serve(self, reader, writer):
        try:
            back, out = await asyncio.open_connection("127.0.0.1", self.behind)
        except OSError:
            writer.close()
            return
        try:
            await self._until_one_ends(self._pass(reader, out), self._pass_back(back, writer))
        finally:
            for stream in (writer, out):
                stream.transport.abort()

    async def _until_one_ends(self, *works):
        tasks = {asyncio.create_task(work) for work in works}
        self.tasks |= tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, reader, writer):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()

    async def _pass_back(self, reader, writer):
        seen = b""
        while data := await reader.read(4096):
            before, seen = len(seen), seen + data
            if self.cuts and (found := seen.find(self.cut_after)) >= 0:
                self.cuts -= 1
                writer.write(data[: max(0, found + len(self.cut_after) - before)])
                await writer.drain()
                return
            writer.write(data)
            await writer.drain()


@pytest.fixture
async def proxy(service):
    proxy = Proxy()
    proxy.behind = service.port
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()
    for task in proxy.tasks:
        task.cancel()
    await asyncio.gather(*proxy.tasks, return_exceptions=True)


class Script:
    """Server that answers with the given answers, one after the other, and repeats the last one."""

    def __init__(self):
        self.answers = []
        self.requests = []

    async def handle(self, request):
        self.requests.append((request.method, request.path_qs, dict(request.headers), await request.text()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@pytest.fixture
async def script(aiohttp_server):
    script = Script()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    script.port = (await aiohttp_server(app, shutdown_timeout=0.1)).port
    return script


@pytest.fixture(scope="module")
def oldest():
    """Have the Python of the oldest distributed that is supported."""
    python = os.environ.get("SPAWNPENNY_JUPYTERHUB5")
    if not python:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 does not say where the Python with the oldest distributed is")
    return python


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dask(tmp_path_factory):
    old = os.environ.get("SPAWNPENNY_JUPYTERHUB5", "/no/such/python")
    images = {"spawnpenny/old": [old, "-P", "{lab}", "{pod_ip}"], "spawnpenny/slow": SLOW}
    async with dask_site(tmp_path_factory.mktemp("dask"), images=images, plugins={"dask": DASK}) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ada(dask):
    async with notebook(dask) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(ada):
    """Have a cluster of ada's with a worker, in the notebook as ``cluster`` and ``client``; its name."""
    yield await ada.run("cluster = SpawnpennyCluster(n_workers=1); client = cluster.get_client(); cluster.name")
    await ada.run("client.close(); cluster.close()")


@asynccontextmanager
async def notebook(dask, *, env=(), **more):
    """Open a notebook of ada's, outside of any lab, with the class imported."""
    async with dask.notebook("ada", env={"PYTHONPATH": HERE, **dict(env)}, **more) as found:
        await found.run(IMPORT)
        yield found


async def clusters(dask):
    """Return the user's clusters that are not over or about to be."""
    answer = (await dask.ask("GET", "/v1/users/ada/dask"))[1]["clusters"]
    return [cluster["cluster"] for cluster in answer if cluster["phase"] in {"requested", "pending", "running"}]

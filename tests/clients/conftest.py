"""A service on the embedded cluster, clients of it, and a proxy between them that breaks what it passes on."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web

from spawnpenny.broker.local import run_local_broker
from spawnpenny.clients.http import Client, Patience
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.plugins import load_plugins
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.tokens import hash_token
from spawnpenny.web.app import create_app
from spawnpenny.web.keys import SERVICE
from spawnpenny.web.serving import listening

TOKENS = {"hub": (["read:any", "spawn:any", "delete:any", "commission"], None), "ada": (["spawn:self"], "ada")}
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
        site.data["tokens"] = {
            name: {"sha256": hash_token(f"{name}-token"), "scopes": scopes, "user": user}
            for name, (scopes, user) in TOKENS.items()
        }
        yield site


@asynccontextmanager
async def serve(site, port=0):
    """Serve a site, ready, until the context ends; yield the port, and the application's service."""
    async with run_local_broker(site.cluster, site.settings) as broker:
        app = create_app(site.settings, load_plugins(site.settings), site.cluster, broker)
        async with listening(app, "127.0.0.1", port) as taken:
            await app[SERVICE].until_ready()
            yield taken, app[SERVICE]


@pytest.fixture
def serving():
    return serve


@pytest.fixture
async def service(site):
    async with serve(site) as (port, service):
        yield SimpleNamespace(port=port, spawns=service.spawns)


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
            for each in (writer, out):
                each.transport.abort()

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
    """Answers with what it was told to, one after the other; the last one for ever."""

    def __init__(self):
        self.answers = []
        self.asked = []

    async def handle(self, request):
        self.asked.append((request.method, request.path_qs, dict(request.headers), await request.text()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@pytest.fixture
async def script(aiohttp_server):
    script = Script()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    script.port = (await aiohttp_server(app, shutdown_timeout=0.1)).port
    return script

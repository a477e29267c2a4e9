"""The web application on a real embedded cluster, and a client for each kind of caller."""

from __future__ import annotations

import io
import json
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
import structlog
from aiohttp import web

from spawnpenny.app import create_app
from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.broker.local import run_local_broker
from spawnpenny.cli.logging import configure_logs
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.serving.server import listening
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.web.app_keys import SERVICE

SCOPES = {
    "hub": (["read:any", "spawn:any", "delete:any", "commission"], None),
    "admin": (["admin"], None),
    "reader": (["read:any"], None),
    "spawner": (["spawn:any"], None),
    "deleter": (["delete:any"], None),
    "commissioner": (["commission"], None),
    "ada": (["spawn:self"], "ada"),
    "ada-lab": (["lab:self"], "ada"),
    "ada-reader": (["read:self"], "ada"),
    "bob": (["spawn:self"], "bob"),
    "nobody": ([], None),
}
SLOW_LAB = ("{python}", "-c", "import signal; signal.pause()")
STUBBORN_LAB = (*SMALL_LAB[:2], f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SMALL_LAB[2]}")


@pytest.fixture
async def site(tmp_path):
    images = {"spawnpenny/lab": SMALL_LAB, "slow": SLOW_LAB, "stubborn": STUBBORN_LAB}
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.data["plugins"]["lab"] = {
            "images": {"default": "spawnpenny/lab", "slow": "slow", "stubborn": "stubborn", "none": "no/such"},
            "grace": 1,
        }
        site.data["tokens"] = {
            name: {"sha256": hash_token(f"{name}-token"), "scopes": scopes, "user": user}
            for name, (scopes, user) in SCOPES.items()
        }
        yield site


@dataclass
class Server:
    """A served application."""

    app: web.Application
    port: int

    def client(self, name=None):
        """Make a client that sends the token of that name, or none."""
        headers = {"Authorization": f"Bearer {name}-token"} if name else {}
        return aiohttp.ClientSession(f"http://127.0.0.1:{self.port}", headers=headers)


@asynccontextmanager
async def serve(site, *, ready=True, metrics=None):
    """Serve a site, ready, as the command does (aiohttp's test server cancels handlers), until the context ends."""
    async with run_local_broker(site.cluster, site.settings) as broker:
        plugins = load_plugins(site.settings, extra=site.plugins)
        app = create_app(site.settings, plugins, site.cluster, broker, metrics=metrics)
        async with listening(app, "127.0.0.1", 0) as port:
            if ready:
                await app[SERVICE].until_ready()
            yield Server(app, port)


@pytest.fixture
def serving():
    return serve


@pytest.fixture
async def server(site):
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
async def hub(caller):
    return await caller("hub")


@pytest.fixture
def logged():
    """Write the log as ``serve`` does, and return a function that gives its lines."""
    stream = io.StringIO()
    handlers, level = logging.root.handlers[:], logging.root.level
    configure_logs("json", level="DEBUG", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()

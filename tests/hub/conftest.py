"""The spawner in a Hub's own surroundings (its database, its users, its order of calls), against a real service."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web
from jupyterhub import orm
from jupyterhub.app import JupyterHub
from jupyterhub.objects import Hub, Server
from jupyterhub.roles import assign_default_roles, create_role, get_default_roles
from jupyterhub.user import User
from traitlets.config import Config

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.clients.http import Client, Patience
from spawnpenny.clients.jupyterhub import SpawnpennySpawner
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.testing.killable_service import KillableService
from spawnpenny.testing.site import SMALL_LAB, make_site

TOKENS = {
    "hub": (["read:any", "delete:any", "spawn:any"], None),
    "careful": (["read:any", "delete:any"], None),
    "purger": (["read:any", "delete:any", "purge", "commission"], None),
    "ada": (["spawn:self"], "ada"),
    "bob": (["spawn:self"], "bob"),
}
SLOW_LAB = ("{python}", "-c", "import signal; signal.pause()")
STUBBORN_LAB = ("{python}", "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()")
SLOW_TO_END = ("sh", "-c", "trap 'sleep 3; exit 0' TERM; while :; do sleep 0.05; done")
BROKEN_LAB = ("{python}", "-c", "raise SystemExit(3)")


@pytest.fixture
async def site(tmp_path):
    images = {
        "spawnpenny/lab": SMALL_LAB,
        "slow": SLOW_LAB,
        "broken": BROKEN_LAB,
        "stubborn": STUBBORN_LAB,
        "slow-to-end": SLOW_TO_END,
    }
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.data["plugins"]["lab"] = {
            "images": {
                "default": "spawnpenny/lab",
                "slow": "slow",
                "broken": "broken",
                "stubborn": "stubborn",
                "none": "no/such",
            },
            "sizes": {"small": {"cpu": "0.1", "memory": "64Mi"}, "huge": {"cpu": 100, "memory": "1Ti"}},
            "grace": 1,
        }
        site.data["tokens"] = {
            name: {"sha256": hash_token(f"{name}-token"), "scopes": scopes, "user": user}
            for name, (scopes, user) in TOKENS.items()
        }
        yield site


@pytest.fixture
async def service(site):
    async with KillableService(site) as service:
        yield service


class Gate:
    """Stands before a service: notes who asks for what, and holds requests of a method or path, or answers."""

    def __init__(self, behind):
        self.behind = behind
        self.requests = []
        self.holds = self.holds_answer = self.holds_path = None
        self.held, self.open = asyncio.Event(), asyncio.Event()

    @property
    def tokens(self):
        return {(method, token) for method, _, token in self.requests}

    async def handle(self, request):
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").removesuffix("-token")
        self.requests.append((request.method, request.path, token))
        body = await request.read()
        if request.method == self.holds or (self.holds_path and request.path.endswith(self.holds_path)):
            await self._hold()
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, f"{self.behind}{request.rel_url}", data=body, headers=headers) as answer,
        ):
            if request.method == self.holds_answer:
                await self._hold()
            if answer.status == 204:
                return web.Response(status=204)
            response = web.StreamResponse(
                status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]}
            )
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    async def _hold(self):
        self.held.set()
        await self.open.wait()


@pytest.fixture
async def gate(service, aiohttp_server):
    gate = Gate(service.url)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gate.handle)
    server = await aiohttp_server(app, shutdown_timeout=0.1)
    gate.url = f"http://127.0.0.1:{server.port}"
    yield gate
    gate.open.set()


@pytest.fixture
async def client(service):
    async with Client(service.url, "hub-token", patience=Patience(total=10, first=0.01, most=0.1)) as client:
        yield client


class InHub:
    """A Hub's users and database, without its web server."""

    def __init__(self):
        self.app = JupyterHub(db_url="sqlite:///:memory:", config=Config())
        self.app.init_db()
        for role in get_default_roles():
            create_role(self.app.db, role)
        self.settings = {"hub": Hub(), "internal_ssl": False}
        self.users = {}

    def user(self, name="ada"):
        if name not in self.users:
            found = orm.User(name=name)
            self.app.db.add(found)
            self.app.db.commit()
            assign_default_roles(self.app.db, found)
            self.users[name] = User(found, self.settings)
        return self.users[name]

    def spawner(self, name="ada", server="", **traits):
        user = self.user(name)
        if server not in user.orm_spawners:
            user._new_orm_spawner(server, server)
        traits = {"token": "hub-token", "poll_interval": 0, "start_timeout": 30} | traits
        spawner = user._new_spawner(server, spawner_class=SpawnpennySpawner, hub=self.settings["hub"], **traits)
        user.spawners[server] = spawner
        return spawner


@pytest.fixture
async def in_hub():
    in_hub = InHub()
    yield in_hub
    in_hub.app.db.close()
    in_hub.app.db.get_bind().dispose()


@pytest.fixture
def configured(in_hub):
    """Make a user's spawner as a Hub does."""
    return in_hub.spawner


@pytest.fixture
def spawner_of(in_hub, service):
    """Make a user's spawner, of a Hub that has the service's URL."""

    def make(name="ada", server="", **traits):
        return in_hub.spawner(name, server, **{"url": service.url} | traits)

    return make


@pytest.fixture
def server_of(in_hub):
    """Make a server as the Hub's database has one that is starting."""

    def make():
        found = orm.Server(base_url="/user/ada/")
        in_hub.app.db.add(found)
        in_hub.app.db.commit()
        return Server(orm_server=found)

    return make

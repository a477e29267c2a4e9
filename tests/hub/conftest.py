"""The spawner in a Hub's own surroundings (its database, its users, its order of calls), against a real service."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from jupyterhub import orm
from jupyterhub.app import JupyterHub
from jupyterhub.objects import Hub
from jupyterhub.roles import assign_default_roles, create_role, get_default_roles
from jupyterhub.user import User
from traitlets.config import Config

from spawnpenny.broker.local import run_local_broker
from spawnpenny.clients.http import Client, Patience
from spawnpenny.clients.jupyterhub import SpawnpennySpawner
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.plugins import load_plugins
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.tokens import hash_token
from spawnpenny.web.app import create_app
from spawnpenny.web.keys import SERVICE
from spawnpenny.web.serving import listening

TOKENS = {
    "hub": (["read:any", "delete:any", "spawn:any"], None),
    "careful": (["read:any", "delete:any"], None),
    "purger": (["read:any", "delete:any", "purge", "commission"], None),
    "ada": (["spawn:self"], "ada"),
    "bob": (["spawn:self"], "bob"),
}
SLOW_LAB = ("{python}", "-c", "import signal; signal.pause()")
BROKEN_LAB = ("{python}", "-c", "raise SystemExit(3)")


@pytest.fixture
async def site(tmp_path):
    images = {"spawnpenny/lab": SMALL_LAB, "slow": SLOW_LAB, "broken": BROKEN_LAB}
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.data["plugins"]["lab"] = {
            "images": {"default": "spawnpenny/lab", "slow": "slow", "broken": "broken", "none": "no/such"},
            "grace": 1,
        }
        site.data["tokens"] = {
            name: {"sha256": hash_token(f"{name}-token"), "scopes": scopes, "user": user}
            for name, (scopes, user) in TOKENS.items()
        }
        yield site


@asynccontextmanager
async def serve(site, port=0):
    """Serve a site, ready, until the context ends; yield the port."""
    async with run_local_broker(site.cluster, site.settings) as broker:
        app = create_app(site.settings, load_plugins(site.settings), site.cluster, broker)
        async with listening(app, "127.0.0.1", port) as taken:
            await app[SERVICE].until_ready()
            yield taken


@pytest.fixture
def serving():
    return serve


@pytest.fixture
async def service(site):
    async with serve(site) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def client(service):
    async with Client(service, "hub-token", patience=Patience(total=10, first=0.01, most=0.1)) as client:
        yield client


class InHub:
    """A Hub's users and database, without its web server: users spawn and stop as its handlers have them do."""

    def __init__(self, folder):
        self._folder = folder
        self.begin()

    def begin(self):
        """Begin anew, as a Hub that was killed does: all that is kept is the database."""
        app = JupyterHub(db_url=f"sqlite:///{self._folder}/hub.sqlite", config=Config(), log_level=10)
        app.init_db()
        for role in get_default_roles():
            create_role(app.db, role)
        self.app = app
        self.settings = {"hub": Hub(), "internal_ssl": False, "base_url": "/", "failure_count": 0}
        self.users = {}

    def user(self, name="ada"):
        if name not in self.users:
            found = self.app.db.query(orm.User).filter_by(name=name).one_or_none()
            if found is None:
                found = orm.User(name=name)
                self.app.db.add(found)
                self.app.db.commit()
                assign_default_roles(self.app.db, found)
            self.users[name] = User(found, self.settings)
        return self.users[name]

    def close(self):
        self.app.db.close()
        self.app.db.get_bind().dispose()


@pytest.fixture
async def in_hub(tmp_path):
    in_hub = InHub(tmp_path)
    yield in_hub
    in_hub.close()


@pytest.fixture
def spawner_of(in_hub, service):
    """Make a user's spawner, configured as a Hub would."""

    def make(name="ada", server="", **traits):
        user = in_hub.user(name)
        config = {"url": service, "token": "hub-token", "poll_interval": 0, "start_timeout": 30} | traits
        user.settings["spawner_class"] = SpawnpennySpawner
        user.settings["config"] = None
        if server not in user.orm_spawners:
            user._new_orm_spawner(server, server)
        spawner = user._new_spawner(server, spawner_class=SpawnpennySpawner, hub=in_hub.settings["hub"], **config)
        user.spawners[server] = spawner
        return spawner

    return make


@pytest.fixture
def eventually():
    """Wait until an async function answers true, for 15 s at most."""

    async def wait(fact):
        async with asyncio.timeout(15):
            while not await fact():  # noqa: ASYNC110 - what it waits for is in another process
                await asyncio.sleep(0.02)

    return wait

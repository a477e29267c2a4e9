"""A real Hub beside the service on the real API server: it holds no right there, and never asks it for anything.

The Hub writes down, by Python's own audit hook, each connection that it makes, each module of Kubernetes that it loads,
and each file of credentials that it opens. The service is a process of its own, and is killed by SIGKILL meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys

import aiohttp
import pytest
import yaml
from aiohttp import web

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.embedded.node.addresses import Addresses
from spawnpenny.testing.apiserver import ADMIN_GROUP
from spawnpenny.testing.behaviours import Hold, Ready
from spawnpenny.testing.hollow_node import HollowNode
from spawnpenny.testing.jupyterhub import JupyterHub
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.ports import free_ports
from spawnpenny.testing.processes import Processes
from spawnpenny.testing.site import make_site

SERVICE = "the-service"
WATCHED = """
import json, os, sys

_file = os.open(os.environ["CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def _note(event, args):
    if event == "socket.connect":
        _write("connect", args[1])
    elif event == "import" and args[0].partition(".")[0].startswith(("kube", "kr8s", "lightkube")):
        _write("import", args[0])
    elif event == "open" and any(part in str(args[0]) for part in ("serviceaccount", "kubeconfig", "/.kube")):
        _write("open", args[0])

def _write(what, value):
    os.write(_file, (json.dumps([what, value]) + "\\n").encode())

sys.addaudithook(_note)
"""
CONFIG = """
import json, os, sys
from spawnpenny.clients.jupyterhub import SpawnpennySpawner

class Spawner(SpawnpennySpawner):
    async def poll(self):
        told = await super().poll()
        with open("polls", "a") as file:
            file.write(json.dumps([self.user.name, told]) + chr(10))
        return told

c.JupyterHub.spawner_class = Spawner
c.Spawner.poll_interval = 1
"""


class Service:
    """``spawnpenny serve`` as a process, which alone has a kubeconfig."""

    def __init__(self, site, apiserver, folder):
        (self.port,) = free_ports(1)
        self.token = secrets.token_hex(16)
        site.data |= {
            "web": {"host": "127.0.0.1", "port": self.port},
            "broker": {"separate": False},
            "replicas": {"name": "one"},
            "tokens": {
                "hub": {
                    "sha256": hash_token(self.token),
                    "scopes": ["read:any", "delete:any", "spawn:any"],
                }
            },
        }
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = folder / "settings.yaml"
        self._settings.write_text(yaml.safe_dump(site.data))
        self._env = {**os.environ, "KUBECONFIG": str(apiserver.kubeconfig_for(SERVICE, ADMIN_GROUP))}
        self._processes = Processes(folder)

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        self._processes.close()

    async def start(self):
        argv = [sys.executable, "-m", "spawnpenny", "serve", "--settings", str(self._settings)]
        self._processes.start("service", argv, env=self._env)
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(self.url) as session:
            while True:
                self._processes.check()
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get("/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)

    def kill(self):
        self._processes.end("service")


@pytest.fixture
async def labs():
    """Answer as labs do at some addresses of this machine, and return the addresses."""

    async def answer(request):
        return web.json_response({"version": "1"})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    with Addresses() as network:
        addresses = [network.take() for _ in range(6)]
        for address in addresses:
            await web.TCPSite(runner, address, 8888).start()
        yield addresses
        await runner.cleanup()


@pytest.fixture
async def site(kubernetes_cluster):
    return await make_site(kubernetes_cluster)


@pytest.fixture
async def node(apiserver, site, labs):
    left, prefix = iter(labs), site.settings.namespaces.prefix

    def address(pod):
        """Give one of the labs' to a pod of this site: other tests leave pods on the API server."""
        return next(left) if pod["metadata"]["namespace"].startswith(prefix) else None

    async with HollowNode(apiserver.url, apiserver.ssl_context(), address=address) as node:
        yield node


@pytest.fixture
async def service(apiserver, site, node, tmp_path):
    async with Service(site, apiserver, tmp_path) as service:
        yield service


@pytest.fixture(params=["5", "6"])
async def hub(request, service, tmp_path):
    python = sys.executable if request.param == "6" else os.environ.get("SPAWNPENNY_JUPYTERHUB5")
    if not python:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 is not set: there is no JupyterHub 5 to test with")
    folder, home = tmp_path / "hub", tmp_path / "home"
    home.mkdir()
    (home / "sitecustomize.py").write_text(WATCHED)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CALLS": str(home / "calls"),
        "PYTHONPATH": os.pathsep.join([str(home), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "SPAWNPENNY_URL": service.url,
        "SPAWNPENNY_TOKEN": service.token,
    }
    async with JupyterHub(folder, CONFIG, python=python, env=env) as hub:
        yield hub


def noted(path):
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_the_hub_holds_no_right_and_asks_kubernetes_nothing(hub, service, apiserver, tmp_path):
    since = apiserver.audit_position()
    await hub.start_server("ada")
    await hub.until_ready("ada")
    await hub.stop_server("ada")

    calls = noted(tmp_path / "home" / "calls")
    assert [call for call in calls if call[0] != "connect"] == []
    ports = {call[1][1] for call in calls if isinstance(call[1], list)}
    assert service.port in ports  # so the connections are noted
    assert ports <= {service.port, hub.hub_port, hub.api_port, 8888}
    users = {entry.user for entry in apiserver.audit(since)}
    assert SERVICE in users
    assert {
        user for user in users - {SERVICE, "admin"} if not user.startswith("system:serviceaccount:kube-system")
    } <= {
        "system:apiserver",
        "system:kube-controller-manager",
    }


async def test_a_service_that_is_killed_loses_no_lab_and_adopts_the_spawn_in_flight(hub, service, node):
    await hub.start_server("ada")
    await hub.until_ready("ada")
    node.behave({"hub.jupyter.org/username": "grace"}, Hold())
    await hub.start_server("grace")
    await until_it_waits(hub, "grace")
    before = len(noted(hub.folder / "polls"))
    service.kill()
    await hub.until(lambda: polled(hub, before + 2), "A poll")
    assert (await hub.server("ada"))["ready"]
    assert (await hub.server("grace"))["pending"] == "spawn"
    await service.start()
    node.behave({"hub.jupyter.org/username": "grace"}, Ready())
    await hub.until_ready("grace")
    assert [reported for reported in noted(hub.folder / "polls") if reported[1] is not None] == []
    for user in ("ada", "grace"):
        await hub.stop_server(user)


async def test_a_hub_that_is_killed_adopts_the_spawn_in_flight(hub, node):
    node.behave({"hub.jupyter.org/username": "grace"}, Hold())
    await hub.start_server("grace")
    await until_it_waits(hub, "grace")
    await hub.kill()
    await hub.start()
    node.behave({"hub.jupyter.org/username": "grace"}, Ready())
    await hub.until(lambda: is_ready(hub, "grace"), "grace's server")
    assert [reported for reported in noted(hub.folder / "polls") if reported[1] is not None] == []
    await hub.stop_server("grace")


async def is_ready(hub, user):
    return ((await hub.server(user)) or {}).get("ready")


async def until_it_waits(hub, user):
    async for event in hub.progress(user):
        if "Waiting for the lab" in event["message"]:
            return


async def polled(hub, count):
    return len(noted(hub.folder / "polls")) >= count

"""``GET /v1/routes`` of the real service, and a real proxy that lives by it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from spawnpenny_dask import spawnpenny_kinds, spawnpenny_routes

from spawnpenny.api import Key, Scale, Step, allow, hookimpl
from spawnpenny.api.serving import listening
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import EmbeddedCluster, hash_token
from spawnpenny.testing.site import SMALL_LAB, make_site, settled, start, start_cluster
from spawnpenny.testing.web_server import serve_site

TOKEN = "the-proxys-token"
SCHEDULER = (
    "{python}",
    "-c",
    (
        "import socketserver as s; s.TCPServer(('{pod_ip}', 8786), type('H', (s.BaseRequestHandler,), "
        "{'handle': lambda h: h.request.sendall(h.request.recv(9999))})).serve_forever()"
    ),
)


class Scheduler(Step):
    """A scheduler, which echoes, and as many workers as are wanted."""

    name = "dask"
    kinds = frozenset({"dask"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    async def apply(self, spawn):
        ports = [{"name": "tls", "containerPort": 8786}, {"name": "dashboard", "containerPort": 8787}]
        pod = await spawn.cluster.wait(await spawn.cluster.ensure(make_pod(spawn.names.base, ports=ports)))
        spawn.publish_url(url=f"tls://{pod['status']['podIP']}:8786", pod=pod["metadata"]["uid"])

    async def supervise(self, spawn):
        for number in range(spawn.scale.count):
            await spawn.cluster.ensure(make_pod(spawn.names.own(f"w-{number}"), part="worker"))

    async def revert(self, spawn):
        for pod in spawn.cluster.pods():
            await spawn.cluster.remove(pod, wait=True)


def make_pod(name, *, part=None, ports=()):
    container = {
        "name": "main",
        "image": "scheduler",
        "ports": list(ports),
        **({"readinessProbe": {"tcpSocket": {"port": "tls"}, "periodSeconds": 1}} if ports else {}),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    labels = {"spawnpenny.io/part": part} if part else {"spawnpenny.io/route": "true"}
    spec = {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


@hookimpl
def spawnpenny_steps(settings):
    return [Scheduler()]


@pytest.fixture
async def site(tmp_path):
    images = {"spawnpenny/lab": SMALL_LAB, "scheduler": SCHEDULER}
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.plugins = {
            "scheduler": SimpleNamespace(
                spawnpenny_kinds=spawnpenny_kinds,
                spawnpenny_steps=spawnpenny_steps,
                spawnpenny_routes=spawnpenny_routes,
            )
        }
        site.data["tokens"] = {
            name: {"sha256": hash_token(token), "scopes": scopes}
            for name, token, scopes in (("proxy", TOKEN, ["routes"]), ("reader", "reader-token", ["read:any"]))
        }
        yield site


@asynccontextmanager
async def serving(site):
    async with serve_site(site) as server:
        yield server.service, server.port


class Events:
    """The events of a stream, one after the other."""

    def __init__(self, response):
        self._content = response.content

    async def next(self):
        kind = None
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await self._content.readline()).decode().strip()
                if line.startswith("event:"):
                    kind = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    return kind, json.loads(line.removeprefix("data:"))


@asynccontextmanager
async def events(port):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.get(f"http://127.0.0.1:{port}/v1/routes") as response,
    ):
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield Events(response)


async def test_schedulers_are_reported_and_neither_labs_nor_workers(site):
    async with serving(site) as (service, port), events(port) as seen:
        assert await seen.next() == ("routes", {})
        await settled(await start(service))
        one = await settled(await start_cluster(service, "c1"))
        kind, route = await seen.next()
        assert (kind, route["cluster"]) == ("route", "c1")
        address = route["route"].pop("address")
        assert one.record.url == f"tls://{address}:8786"
        ticket = "/v1/users/ada/dask/c1/ticket"
        about = {"user": "ada", "uid": one.record.pod_uid, "kind": "dask", "ticket": ticket}
        of_dashboard = {"dashboard": 8787, "paths": None, "scripted": False, "headers": None}
        assert route["route"] == {**about, "tls": 8786, **of_dashboard}
        await service.spawns.scale("ada", Key("dask", "c1"), Scale(2))
        await settled(await start_cluster(service, "c2", user="bob"))
        assert (await seen.next())[1]["route"]["user"] == "bob"  # the workers were not worth a word
        async with events(port) as late:
            kind, route = await late.next()
            assert (kind, sorted(route)) == ("routes", ["c1", "c2"])
        await service.spawns.stop("ada", Key("dask", "c1"))
        assert await seen.next() == ("route", {"cluster": "c1", "route": None})


async def test_only_the_scope_routes_reads_them(site):
    async with serving(site) as (_, port), aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{port}/v1/routes"
        for token, status in (("reader-token", 403), ("none", 401)):
            async with client.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
                assert response.status == status
        async with client.head(url, headers={"Authorization": f"Bearer {TOKEN}"}) as response:
            assert response.status == 200


async def test_a_cluster_is_reached_through_the_proxy_as_soon_as_it_runs(site, proxy_at, hello, known):
    async with serving(site) as (service, port), proxy_at(port) as proxy:
        await proxy.table.synced.wait()
        await settled(await start_cluster(service, "c1"))
        data = hello("daskgateway-c1")
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(data)
        async with asyncio.timeout(PATIENCE):
            assert await reader.readexactly(len(data)) == data
        writer.close()
        await service.spawns.stop("ada", Key("dask", "c1"))
        await known(proxy, "c1", present=False)


async def test_a_token_without_the_scope_is_reported_once_in_the_log(proxy_at, logged):
    requests, refused = [], asyncio.Event()

    async def refuse(request):
        requests.append(request)
        if len(requests) == 3:
            refused.set()
        problem = {"code": "forbidden", "detail": "This needs the scope routes."}
        return web.json_response(problem, status=403, content_type="application/problem+json")

    app = web.Application()
    app.router.add_get("/v1/routes", refuse)
    async with listening(app, "127.0.0.1", 0) as port, proxy_at(port) as proxy:
        async with asyncio.timeout(PATIENCE):
            await refused.wait()
        assert not proxy.table.synced.is_set()
        async with aiohttp.ClientSession() as client:
            for path, status in (("/readyz", 503), ("/healthz", 200)):
                async with client.get(f"http://127.0.0.1:{proxy.dashboard_port}{path}") as response:
                    assert response.status == status
    (line,) = logged()
    assert (line["event"], line["error"]) == ("the service sends no routes", "This needs the scope routes.")

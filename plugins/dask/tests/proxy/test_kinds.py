"""The proxy leads to a kind of a site's own plugin, as it does to Dask clusters: by label, server name and ticket."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from spawnpenny.api import ROUTE_LABEL, Key, Kind, Step, allow, hookimpl
from spawnpenny.api.http import READ, Answer, Route, proxy_name
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import EmbeddedCluster
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.testing.web_server import serve_site, token_settings

TOKEN = "proxy-token"
PROGRAM = """
import socketserver, threading, http.server
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b'{pod_ip}:' + self.request.recv(9999))
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(('{pod_ip} shows ' + self.path).encode())
    do_POST = do_GET
threading.Thread(target=socketserver.TCPServer(('{pod_ip}', 8786), Echo).serve_forever).start()
http.server.HTTPServer(('{pod_ip}', 8787), Page).serve_forever()
"""
FARMS = "/v1/users/{user}/farms/{name}"


class Farm(Step):
    """One pod, to which the proxy leads if the option ``open`` says so."""

    name = "farm"
    kinds = frozenset({"farm"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    async def apply(self, spawn):
        security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
        container = {
            "name": "main",
            "image": "farm",
            "ports": [{"name": "tls", "containerPort": 8786}, {"name": "dashboard", "containerPort": 8787}],
            "readinessProbe": {"tcpSocket": {"port": "dashboard"}, "periodSeconds": 1},
            "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}},
        }
        labels = {} if spawn.options.get("closed") else {ROUTE_LABEL: "true"}
        spec = {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": spawn.names.base, "labels": labels}}
        pod = await spawn.cluster.wait(await spawn.cluster.ensure({**pod, "spec": spec}))
        spawn.publish_url(url=f"farm://{pod['status']['podIP']}", pod=pod["metadata"]["uid"])

    async def revert(self, spawn):
        await spawn.cluster.discard("Pod", spawn.names.base)


def farm_routes(spawns):
    async def link(request):
        spawn = spawns.find(request, Key("farm", request.match_info["name"]))
        name = proxy_name(spawn.username, "farm", spawn.key.name)
        return web.json_response({"link": f"/clusters/{name}/{spawns.new_ticket(request, spawn)}", "url": spawn.url})

    answers = {200: Answer("The link.", "application/json")}
    return [Route("GET", f"{FARMS}/link", link, READ, "farm.link", "Get a link to the dashboard.", answers)]


@pytest.fixture
async def site(tmp_path):
    images = {"spawnpenny/lab": SMALL_LAB, "farm": ("{python}", "-c", PROGRAM)}
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        hooks = {
            "spawnpenny_kinds": lambda: [Kind("farm", "farms", "render farm")],
            "spawnpenny_steps": lambda: [Farm()],
            "spawnpenny_routes": farm_routes,
        }
        site.plugins = {
            "farms": SimpleNamespace(**{name: hookimpl(hook, specname=name) for name, hook in hooks.items()})
        }
        callers = {user: (["spawn:self"], user) for user in ("ada", "bob")}
        site.data["tokens"] = token_settings({**callers, "proxy": (["routes"], None)})
        yield site


async def start(client, user, name, **options):
    """Start a farm; return its link and its own address, once it runs."""
    path = FARMS.format(user=user, name=name)
    answer = await client.put(path, json={"start": "s1", "options": options})
    assert answer.status == 202, await answer.text()
    await (await client.get(f"{path}/events")).read()
    found = await (await client.get(f"{path}/link")).json()
    return found["link"], found["url"].removeprefix("farm://")


@pytest.fixture
async def farms(site, proxy_at, known):
    """Have a farm of the same name of ada's and bob's each, and a proxy that knows both."""
    async with (
        serve_site(site) as server,
        server.client("ada") as ada,
        server.client("bob") as bob,
        proxy_at(server.port, token=TOKEN) as proxy,
    ):
        links = {"ada": await start(ada, "ada", "f1"), "bob": await start(bob, "bob", "f1")}
        for user in links:
            await known(proxy, proxy_name(user, "farm", "f1"))
        yield SimpleNamespace(proxy=proxy, links=links, ada=ada)


async def first_bytes(port, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(PATIENCE):
        found = await reader.read(99)
    writer.close()
    return found


async def test_tls_is_passed_by_a_name_that_no_other_user_has(farms, hello):
    names = {user: proxy_name(user, "farm", "f1") for user in farms.links}
    assert len(set(names.values())) == 2
    for user, name in names.items():
        assert name.startswith("farm-f1-")
        data = await first_bytes(farms.proxy.port, hello(name))
        assert data.startswith(f"{farms.links[user][1]}:".encode())


@pytest.mark.parametrize("name", ["f1", "farm-f1", "farm-f1-00000000", "daskgateway-f1"])
async def test_no_other_name_leads_anywhere(farms, hello, name):
    assert await first_bytes(farms.proxy.port, hello(name)) == b""


async def test_a_ticket_opens_the_dashboard_of_its_spawn_alone(farms):
    base = f"http://127.0.0.1:{farms.proxy.dashboard_port}"
    link, address = farms.links["ada"]
    name, ticket = link.split("/")[2:]
    other = farms.links["bob"][0].split("/")[2]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser:
        assert (await browser.post(f"{base}/clusters/{other}/{ticket}/", allow_redirects=False)).status == 403
        opened = await browser.post(f"{base}{link}/jobs/1?x=2", allow_redirects=False)
        assert opened.status == 303
        capability = opened.headers["Location"].split("/")[-3]
        assert capability.startswith("cap.")
        page = await browser.get(f"{base}/clusters/{name}/{capability}/jobs/1?x=2")
        assert await page.text() == f"{address} shows /jobs/1?x=2"
        home = await browser.get(f"{base}/clusters/{name}/{capability}")
        assert await home.text() == f"{address} shows /"
        for path in ("/api/jobs/", "/"):
            refused = await browser.post(f"{base}/clusters/{name}/{capability}{path}", allow_redirects=False)
            assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")
        for path in ("/%2e%2e/x", "/a/..%2f..%2fx"):
            upwards = URL(f"{base}/clusters/{name}/{capability}{path}", encoded=True)
            assert (await browser.get(upwards)).status == 404
        assert (await browser.get(f"{base}/clusters/{other}/{capability}/")).status == 403
        again = await browser.post(f"{base}{link}/", allow_redirects=False)
        assert (again.status, "used up" in await again.text()) == (403, True)


async def test_a_pod_without_the_label_is_not_reached(farms, known):
    await start(farms.ada, "ada", "f2", closed=True)
    await start(farms.ada, "ada", "f3")
    await known(farms.proxy, proxy_name("ada", "farm", "f3"))
    assert farms.proxy.table.get(proxy_name("ada", "farm", "f2")) is None

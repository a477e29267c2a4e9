"""The dashboard of a Ray cluster through the proxy: for its user alone, to read, and without the token."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import os
import re
import shutil
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
import structlog
from playwright.async_api import async_playwright
from pytest_asyncio import fixture as async_fixture
from spawnpenny_dask_proxy.capability import Capabilities
from spawnpenny_dask_proxy.limits import ProxyLimits
from spawnpenny_dask_proxy.server import running_proxy
from yarl import URL

from spawnpenny.api import Settings
from spawnpenny.api.http import proxy_name
from spawnpenny.api.serving import configure_logs
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import EmbeddedCluster
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.testing.web_server import serve_site, token_settings

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

TOKEN = "proxy-token"
NAME = proxy_name("ada", "ray", "r1")
PATH = "/v1/users/ada/rays/r1"
SMALL = {"cores": 1, "memory": "1Gi"}


def proxying(service_port, limits=None):
    settings = Settings()
    listens = {"host": "127.0.0.1", "port": 0, "dashboard_port": 0}
    gateway = replace(settings.gateway, service=f"http://127.0.0.1:{service_port}", **listens)
    return running_proxy(replace(settings, gateway=gateway), TOKEN, limits=limits)


@asynccontextmanager
async def cluster_of_ada(client):
    """Have a Ray cluster of ada's."""
    answer = await client.put(PATH, json={"start": "s1"})
    assert answer.status == 202, await answer.text()
    await (await client.get(f"{PATH}/events")).read()
    found = await (await client.get(PATH)).json()
    assert found["phase"] == "running", found["reason"]
    yield
    await client.delete(PATH, params={"wait": "30"})


@async_fixture(loop_scope="module", scope="module")
async def ray(tmp_path_factory):
    """Have a running Ray cluster of ada's behind a service, and the log of service and proxies."""
    log, handlers, level = io.StringIO(), logging.root.handlers[:], logging.root.level
    configure_logs("json", level="DEBUG", stream=log)
    folder = tmp_path_factory.mktemp("ray")
    path = f"PATH={Path(sys.executable).parent}:/usr/bin:/bin"
    images = {"spawnpenny/lab": SMALL_LAB, "ray": ("env", path)}
    async with EmbeddedCluster(folder / "cluster", images) as cluster:
        site = await make_site(cluster)
        callers = {user: (["spawn:self"], user) for user in ("ada", "bob")}
        site.data["tokens"] = token_settings({**callers, "proxy": (["routes"], None)})
        site.data["plugins"]["ray"] = {"image": "ray", "head": SMALL, "worker": SMALL}
        site.data["gateway"] = {"public_address": "http://dashboards.example"}
        async with (
            serve_site(site) as server,
            server.client("ada") as ada,
            server.client("bob") as bob,
            server.client("proxy") as proxy,
            cluster_of_ada(ada),
        ):
            secret = await site.read("Secret", "spawnpenny-ray", site.namespace("ada"))
            clients = {"ada": ada, "bob": bob, "proxy": proxy}
            yield SimpleNamespace(server=server, **clients, secret=secret["data"]["token"], log=log)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@asynccontextmanager
async def opened(ray):
    """Have a proxy, a client without cookies, and the address of the dashboard with a capability of ada's."""
    async with proxying(ray.server.port) as proxy, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        assert await proxy.table.find(NAME, PATIENCE) is not None
        path = (await (await ray.ada.post(f"{PATH}/dashboard")).json())["path"]
        base = f"http://127.0.0.1:{proxy.dashboard_port}"
        answer = await client.post(f"{base}{path}", allow_redirects=False)
        right = answer.headers["Location"].removeprefix("../").strip("/")
        yield SimpleNamespace(client=client, base=base, right=right, home=f"{base}/clusters/{NAME}/{right}")


async def seen(answer):
    """Return all that a client sees of an answer."""
    return f"{answer.status} {dict(answer.headers)} {await answer.text(errors='replace')}"


async def test_the_command_prints_a_link_at_the_address_of_the_settings(ray):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spawnpenny", "ray", "dashboard", "r1"),
        env={**os.environ, "SPAWNPENNY_TOKEN": "ada-token", "SPAWNPENNY_URL": ray.server.url},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert re.fullmatch(rf"http://dashboards\.example/clusters/{NAME}/[\w-]{{32}}/\n", out.decode())


async def test_its_user_sees_pages_and_nodes_in_a_browser(ray):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    faults = []
    async with proxying(ray.server.port) as proxy, async_playwright() as playwright:
        assert await proxy.table.find(NAME, PATIENCE) is not None
        path = (await (await ray.ada.post(f"{PATH}/dashboard")).json())["path"]
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(f"http://127.0.0.1:{proxy.dashboard_port}{path}")
        await page.wait_for_url("**/#/overview")
        await page.goto(f"{page.url.partition('#')[0]}#/cluster")
        await page.get_by_text("(Head)").wait_for()
        assert not await page.get_by_text("Authentication Token Required").count()
        assert await page.evaluate("self.origin") == "null"
        await browser.close()
    assert faults == []


async def test_nobody_else_gets_anything(ray):
    assert (await ray.bob.post(f"{PATH}/dashboard")).status == 403
    for client in (ray.ada, ray.bob):
        assert (await client.get(f"{PATH}/dashboard/headers")).status == 403
    async with opened(ray) as dashboard:
        client, base = dashboard.client, dashboard.base
        until, uid = (
            int(dashboard.right.split(".")[1]),
            (await (await ray.proxy.get(f"{PATH}/dashboard/headers")).json())["uid"],
        )
        right = Capabilities(TOKEN)
        others = [right.make(proxy_name("bob", "ray", "r1"), uid, until), right.make(NAME, "another-uid", until)]
        for other in (*others, right.make(NAME, uid, 1), "cap.1.x"):
            assert (await client.get(f"{base}/clusters/{NAME}/{other}/nodes?view=summary")).status == 403
        assert (await client.get(f"{base}/nodes?view=summary")).status == 404
        page = await client.get(f"{base}/clusters/{NAME}/no-ticket/nodes?view=summary")
        assert "nodeId" not in await page.text()
        assert (await client.get(f"{dashboard.home}/nodes?view=summary")).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_it_is_only_read(ray, method):
    async with opened(ray) as dashboard:
        for path in ("/api/jobs/", "/api/jobs/x", "/nodes"):
            answer = await dashboard.client.request(method, dashboard.home + path, json={"entrypoint": "true"})
            assert answer.status == 405
        jobs = await (await dashboard.client.get(f"{dashboard.home}/api/jobs/")).json()
        assert jobs == []


@pytest.mark.parametrize(
    "path",
    [
        "/memory_profile?pid=1",
        "/task/cpu_profile",
        "/worker/traceback",
        "/test/dump",
        "/api/authenticate",
        "/api/packages/gcs/x.zip",
        "/api/v0/delay/5",
        "/api/actors/kill?actor_id=x",
        "/api/jobs/x/logs/tail",
        "/static/..%2fapi/packages/gcs/x.zip",
    ],
)
async def test_paths_that_do_more_than_show_are_closed(ray, path):
    async with opened(ray) as dashboard:
        answer = await dashboard.client.get(URL(dashboard.home + path, encoded=True))
        assert (answer.status, "Nothing is at this address" in await answer.text()) == (404, True)


async def test_the_token_is_nowhere_to_be_read(ray):
    token = base64.b64decode(ray.secret).decode()
    async with opened(ray) as dashboard:
        feed = await ray.proxy.get("/v1/routes")
        texts = [str([await feed.content.readline() for _ in range(2)])]  # its event, and all routes
        feed.close()
        assert NAME in texts[0]
        sent = {"Authorization": "Bearer wrong", "X-Ray-Authorization": "Bearer wrong", "Cookie": "a=b"}
        paths = ("/", "/api/authentication_mode", "/nodes?view=summary", "/api/cluster_status", "/nothing")
        answers = [await dashboard.client.get(dashboard.home + path, headers=sent) for path in paths]
        texts += [await seen(answer) for answer in answers]
        assert "nodeId" in texts[3]
    texts += [
        await seen(await ray.ada.get(path)) for path in (PATH, "/v1/users/ada/rays", f"{PATH}/events", "/metrics")
    ]
    texts.append(ray.log.getvalue())
    assert "ray.dashboard" in texts[-1]
    assert not [text for text in texts if token in text or ray.secret in text]


async def test_another_proxy_shows_it_by_the_same_address(ray):
    """A proxy that has restarted knows no header, and the browser has only its address."""
    async with opened(ray) as dashboard:
        right = dashboard.right
    async with proxying(ray.server.port) as proxy, aiohttp.ClientSession() as client:
        way = await proxy.table.find(NAME, PATIENCE)
        assert not way.headers
        answer = await client.get(f"http://127.0.0.1:{proxy.dashboard_port}/clusters/{NAME}/{right}/nodes?view=summary")
        assert (answer.status, len((await answer.json())["data"]["summary"])) == (200, 1)


async def test_a_header_that_is_refused_is_read_anew(ray):
    async with proxying(ray.server.port) as proxy, aiohttp.ClientSession() as client:
        way = await proxy.table.find(NAME, PATIENCE)
        right = Capabilities(TOKEN).make(NAME, way.route.uid, 2**39)
        way.headers["X-Ray-Authorization"] = "Bearer old"
        url = f"http://127.0.0.1:{proxy.dashboard_port}/clusters/{NAME}/{right}/api/version"
        assert [(await client.get(url)).status for _ in range(2)] == [403, 200]


async def test_no_header_is_sent_when_the_service_was_silent_for_a_short_time(ray):
    """Another pod may have the address by then, and would get the token of this one's user."""
    async with (
        proxying(ray.server.port, ProxyLimits(fresh_with_headers=0)) as proxy,
        aiohttp.ClientSession() as client,
    ):
        way = await proxy.table.find(NAME, PATIENCE)
        right = Capabilities(TOKEN).make(NAME, way.route.uid, 2**39)
        url = f"http://127.0.0.1:{proxy.dashboard_port}/clusters/{NAME}/{right}/api/version"
        assert (await client.get(url)).status == 503
        assert not way.headers

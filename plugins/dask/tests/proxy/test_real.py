"""All of it for real: dask-gateway's own client, the service, the plugin, the proxy, and a browser at the dashboard."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dask_gateway import Gateway
from dask_gateway.auth import BasicAuth

from spawnpenny.testing.plugins import EmbeddedCluster, hash_token
from spawnpenny.testing.ports import free_ports
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.testing.web_server import serve_site

PROXY_TOKEN = "the-proxys-token"
USERS = ("ada", "bob")


@pytest.fixture
async def site(tmp_path):
    images = {"spawnpenny/lab": SMALL_LAB, "dask": ("env", f"PATH={Path(sys.executable).parent}:/usr/bin:/bin")}
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.data["plugins"]["dask"] = {"image": "dask"}
        site.data["tokens"] = {
            user: {"sha256": hash_token(f"{user}-token"), "scopes": ["spawn:self"], "user": user} for user in USERS
        } | {"proxy": {"sha256": hash_token(PROXY_TOKEN), "scopes": ["routes"]}}
        yield site


@pytest.fixture
async def site_and_proxy(site, proxy_at):
    """Run service and proxy; yield the service's port and the proxy."""
    (port,) = free_ports(1)
    async with proxy_at(port) as proxy:
        public = f"http://127.0.0.1:{proxy.dashboard_port}"
        site.data["gateway"] = {"proxy_address": f"127.0.0.1:{proxy.port}", "public_address": public}
        async with serve_site(site, port=port):
            await proxy.table.synced.wait()
            yield port, proxy


@asynccontextmanager
async def cluster_of(user, site_and_proxy):
    """Have a cluster of a user's, by dask-gateway's own client, to which nothing of spawnpenny is known."""
    port, proxy = site_and_proxy
    async with (
        Gateway(
            f"http://127.0.0.1:{port}/gateway",
            proxy_address=f"gateway://127.0.0.1:{proxy.port}",
            public_address=f"http://127.0.0.1:{proxy.dashboard_port}",
            auth=BasicAuth(user, f"{user}-token"),
            asynchronous=True,
        ) as gateway,
        await gateway.new_cluster() as cluster,
    ):
        yield cluster


async def test_dask_works_through_the_proxy_and_its_dashboard_shows_it(site_and_proxy, browser):
    async with cluster_of("ada", site_and_proxy) as cluster, cluster.get_client() as client:
        await cluster.scale(1)
        assert await client.submit(bytes, 20_000_000, pure=False) == bytes(20_000_000)
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(cluster.dashboard_link)
        await page.wait_for_url("**/cap.*/status")
        await page.wait_for_function("() => self.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")
        assert await page.evaluate("self.origin") == "null"
        again = await context.new_page()
        await again.goto(cluster.dashboard_link)
        await again.wait_for_url("**/cap.*/status")
        other = await browser.new_page()  # of a context, and so with cookies, of its own
        await other.goto(cluster.dashboard_link)
        await other.get_by_text("This link is used up").wait_for()

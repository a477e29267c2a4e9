"""JupyterLab's Dask extension, in Chromium: a lab of the service, and clusters that its own panel makes and shows."""

from __future__ import annotations

import os
import re
import secrets
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from spawnpenny.clients.http import new_start
from spawnpenny.testing.dask import dask_site

if find_spec("dask_labextension") is None or find_spec("jupyter_server_proxy") is None:
    pytest.skip("dask-labextension and jupyter-server-proxy are not here", allow_module_level=True)

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "dask-native.md"
(SERVER,) = re.findall(r"```py\n(from ipaddress .*?)```", PAGE.read_text(), re.DOTALL)
SERVER = SERVER.replace("10.0.0.0/8", "127.0.0.0/8")
ENV = {
    "DASK_LABEXTENSION__FACTORY__MODULE": "spawnpenny.clients.dask",
    "DASK_LABEXTENSION__FACTORY__CLASS": "SpawnpennyCluster",
    "DASK_DISTRIBUTED__DASHBOARD__LINK": "{JUPYTERHUB_SERVICE_PREFIX}proxy/{host}:{port}/status",
    "JUPYTERHUB_SERVICE_PREFIX": "/",
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def dask(tmp_path_factory):
    async with dask_site(tmp_path_factory.mktemp("labextension"), users=["ada"]) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="module")
async def page(dask, chromium):
    """Have a page at a lab, as the service makes it, whose server is configured as a site's image has it."""
    config, token = dask.folder / "jupyter", secrets.token_urlsafe(16)
    config.mkdir()
    (config / "jupyter_server_config.py").write_text(SERVER)
    env = {**ENV, "JUPYTER_TOKEN": token, "JUPYTER_CONFIG_PATH": str(config)}
    async with dask.client() as hub, await chromium.new_context(viewport={"width": 1400, "height": 1500}) as context:
        await hub.start_lab("ada", start=new_start(), env=env)
        async for _ in hub.lab_events("ada"):
            pass
        page = await context.new_page()
        await page.goto(f"{(await hub.lab('ada')).url}lab?token={token}")
        yield page
        await hub.stop_lab("ada", wait=120)


async def only(dask):
    """Return what the service says of the one cluster that there is, or None."""
    _, found = await dask.ask("GET", "/v1/users/ada/dask")
    (cluster,) = [cluster for cluster in found["clusters"] if cluster["phase"] != "stopping"] or [None]
    return cluster


async def shown(page, name):
    """Keep a picture of a page where pictures are asked for."""
    if folder := os.environ.get("SPAWNPENNY_PICTURES"):
        await page.screenshot(path=f"{folder}/labextension-{name}.png")


async def scale(page, cluster, fill):
    """Fill the panel's form of workers."""
    await cluster.get_by_role("button", name="SCALE").click()
    form = page.locator(".jp-Dialog")
    await fill(form)
    await form.get_by_role("button", name="SCALE").click()


async def fixed(form):
    await form.locator("input[type=number]").first.fill("2")


async def adaptive(form):
    await form.locator("input[type=checkbox]").check()
    await form.locator("input[type=number]").nth(1).fill("1")
    await form.locator("input[type=number]").nth(2).fill("3")


async def test_its_panel_makes_scales_shows_and_closes_a_cluster(dask, page):
    await page.locator('li[data-id="dask-dashboard-launcher"]').click()
    await page.get_by_role("button", name="NEW").click()
    cluster = page.locator("li.dask-ClusterListingItem")
    await expect(cluster).to_contain_text("SpawnpennyCluster 1")
    await scale(page, cluster, fixed)
    await expect(cluster).to_contain_text("Number of Workers: 2")
    assert (await only(dask))["scale"]["count"] == 2
    await shown(page, "scaled")
    await scale(page, cluster, adaptive)
    await expect(cluster).to_contain_text("Maximum Workers: 3")
    await dask.until(lambda: adapts(dask, 1, 3), "the cluster adapts")
    await page.locator(".dask-DashboardListing-item button", has_text="Task Stream").first.click()
    # Its figure is drawn in a canvas, and data comes by the websocket, both by way of the lab's proxy.
    pane = page.frame_locator(".jp-MainAreaWidget iframe").first
    await expect(pane.locator("canvas").first).to_be_attached()
    (frame,) = [frame for frame in page.frames if "/proxy/127." in frame.url]
    await frame.wait_for_function("() => Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")
    await shown(page, "pane")
    await cluster.get_by_role("button", name="SHUTDOWN").click()
    await expect(cluster).to_have_count(0)
    assert await only(dask) is None


async def adapts(dask, minimum, maximum):
    found = (await only(dask))["scale"]
    return found["adaptive"] and (found["minimum"], found["maximum"]) == (minimum, maximum)

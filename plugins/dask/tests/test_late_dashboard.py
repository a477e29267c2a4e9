"""The dashboard that is added to a scheduler which answers already."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest
import spawnpenny_dask
from bs4 import BeautifulSoup
from yarl import URL

from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.ports import LOOPBACK, free_ports
from spawnpenny.testing.processes import Processes

PRELOAD = Path(spawnpenny_dask.__file__).with_name("spawnpenny_dashboard.py")

pytestmark = pytest.mark.slow


@pytest.fixture
async def dashboard(tmp_path):
    """Run a scheduler whose dashboard nobody has asked for yet; return its address."""
    port, http = free_ports(2)
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", LOOPBACK, "--port", str(port)]
    with Processes(tmp_path) as processes:
        where = ["--no-dashboard", "--dashboard-address", f"{LOOPBACK}:{http}", "--preload", str(PRELOAD)]
        processes.start("scheduler", [*program, *where])
        async with asyncio.timeout(PATIENCE):
            while not await listens(http):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        yield f"http://{LOOPBACK}:{http}"


async def listens(port):
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


async def test_pages_that_are_asked_for_before_it_is_there_are_answered(dashboard):
    async with aiohttp.ClientSession(dashboard) as client:

        async def page(path):
            async with client.get(path) as answer:
                return answer.status, "Bokeh" in await answer.text()

        assert (
            await asyncio.gather(*(page(path) for path in ("/status", "/individual-task-stream", "/status")))
            == [(200, True)] * 3
        )
        assert (await page("/no-such-page"))[0] == 404


async def test_the_files_of_an_info_page_are_found_below_another_path(dashboard):
    """As they are behind the proxy of dashboards, or JupyterLab's."""
    async with aiohttp.ClientSession(dashboard) as client:
        for page in ("/info/main/workers.html", "/info/main/exceptions.html"):
            async with client.get(page) as answer:
                soup = BeautifulSoup(await answer.text(), "html.parser")
            links = [tag.get("href") or tag.get("src") for tag in soup.select("link[href], script[src]")]
            files = [URL(f"http://proxy/below{page}").join(URL(link)).path for link in links if "://" not in link]
            assert len(files) >= 3
            for file in files:
                assert file.startswith("/below/statics/")
                async with client.get(file.removeprefix("/below")) as answer:
                    assert answer.status == 200

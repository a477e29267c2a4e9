"""The dashboard of a scheduler, which is made after the scheduler answers: nobody sees that."""

from __future__ import annotations

import asyncio

import aiohttp


async def answers(run, *requests):
    """Ask the dashboard of a cluster at once, as soon as that runs; return status and text of each answer."""
    host = run.record.url.removeprefix("tls://").removesuffix(":8786")

    async def ask(method, path):
        async with session.request(method, f"http://{host}:8787{path}") as answer:
            return answer.status, await answer.text()

    async with aiohttp.ClientSession() as session:
        return await asyncio.gather(*(ask(*request.split()) for request in requests))


async def test_a_page_that_is_asked_for_early_is_the_dashboards(dask_site):
    async with dask_site.running() as site:
        run = await site.cluster()
        requests = ("GET /status", "GET /", "GET /individual-plots.json", "GET /no-such-page", "GET /health")
        early = await answers(run, *requests)
        assert [status for status, _ in early] == [200, 200, 200, 404, 200]
        assert "<title>Dask Diagnostic UI</title>" in early[0][1]
        assert "<title>Dask Diagnostic UI</title>" in early[1][1]
        assert "/individual-task-stream" in early[2][1]
        assert [status for status, _ in await answers(run, *requests)] == [200, 200, 200, 404, 200]


async def test_an_image_without_bokeh_says_so(dask_site, tmp_path):
    (tmp_path / "bokeh").mkdir()
    (tmp_path / "bokeh" / "__init__.py").write_text("raise ImportError('no bokeh')")
    async with dask_site.running() as site:
        run = await site.cluster(environment={"PYTHONPATH": str(tmp_path)})
        ((status, text),) = await answers(run, "GET /status")
        assert status == 200
        assert "bokeh" in text

"""Paths of applications that are not the service's stay as they are."""

from __future__ import annotations

import aiohttp
from aiohttp import web

from spawnpenny.serving.server import listening


async def test_an_application_without_a_prefix_has_the_paths_that_it_names():
    async def answer(request):
        return web.Response(text=request.path)

    app = web.Application()
    app.router.add_get("/api/v1/routes", answer)
    async with (
        listening(app, "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{port}/api/v1/routes") as found,
    ):
        assert (found.status, await found.text()) == (200, "/api/v1/routes")

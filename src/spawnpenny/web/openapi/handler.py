"""The OpenAPI document, and a page that shows it without anything from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from spawnpenny.serving.prefix import link_to, prefix_of
from spawnpenny.web.app_keys import DOCUMENT
from spawnpenny.web.openapi.page import POLICY, viewer_file


async def get_openapi(request: web.Request) -> web.Response:
    document = request.app[DOCUMENT]
    return web.Response(body=document.under(prefix_of(request)), content_type="application/json", charset="utf-8")


async def get_docs(request: web.Request) -> web.Response:
    return web.Response(
        body=request.app[DOCUMENT].page,
        charset="utf-8",
        content_type="text/html",
        headers=POLICY,
    )


async def go_to_docs(request: web.Request) -> web.Response:
    # Relative, so that a prefix that a proxy takes away is kept; and no exception, as those are problem documents.
    relative = "../docs" if request.path == "/docs/" else "docs"
    return web.Response(status=302, headers={"Location": link_to(request, "/docs") if prefix_of(request) else relative})


async def get_viewer_file(request: web.Request) -> web.FileResponse:
    """Answer with a file of Swagger UI, by the last part of the path: each has a route of its own."""
    path = viewer_file(request.path.rpartition("/")[2])
    content_type = "text/css" if path.suffix == ".css" else "text/javascript"
    return web.FileResponse(path, headers={"Cache-Control": "public, max-age=3600", "Content-Type": content_type})


async def get_style(request: web.Request) -> web.Response:
    del request
    return _static("docs.css", "text/css")


async def get_script(request: web.Request) -> web.Response:
    del request
    return _static("docs.js", "text/javascript")


def _static(name: str, content_type: str) -> web.Response:
    text = files("spawnpenny.web.openapi").joinpath("static", name).read_text(encoding="utf-8")
    return web.Response(text=text, content_type=content_type)

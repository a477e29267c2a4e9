"""The OpenAPI document, and a page that shows it without scripts and without anything from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from aiohttp import web

from spawnpenny.serving.prefix import link_to, prefix_of
from spawnpenny.web.keys import DOCUMENT

_POLICY: Final = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


async def get_openapi(request: web.Request) -> web.Response:
    document = request.app[DOCUMENT]
    return web.Response(body=document.under(prefix_of(request)), content_type="application/json", charset="utf-8")


async def get_docs(request: web.Request) -> web.Response:
    return web.Response(
        body=request.app[DOCUMENT].page,
        charset="utf-8",
        content_type="text/html",
        headers={"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"},
    )


async def go_to_docs(request: web.Request) -> web.Response:
    # Relative, so that a prefix that a proxy takes away is kept; and no exception, as those are problem documents.
    relative = "../docs" if request.path == "/docs/" else "docs"
    return web.Response(status=302, headers={"Location": link_to(request, "/docs") if prefix_of(request) else relative})


async def get_style(request: web.Request) -> web.Response:
    del request
    style = files("spawnpenny.web").joinpath("static/docs.css").read_text(encoding="utf-8")
    return web.Response(text=style, content_type="text/css")

"""The OpenAPI document, and the page that shows it without files from other servers."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from aiohttp import web

from spawnpenny.serving.prefix import link_to, prefix_of
from spawnpenny.web.app_keys import DOCUMENT
from spawnpenny.web.middleware import authorize
from spawnpenny.web.openapi.page import POLICY, viewer_file
from spawnpenny.web.route import Answer, Route, route


@route(
    "GET",
    "/openapi.json",
    authorize.PUBLIC,
    "service.openapi",
    "Read the OpenAPI document of this API.",
    {200: Answer("The document, OpenAPI 3.1.", "application/json")},
)
async def get_openapi(request: web.Request) -> web.Response:
    document = request.app[DOCUMENT]
    return web.Response(body=document.under(prefix_of(request)), content_type="application/json", charset="utf-8")


@route(
    "GET",
    "/docs",
    authorize.PUBLIC,
    "service.docs",
    "Show this API as a page.",
    {200: Answer("The page.", "text/html")},
)
async def get_docs(request: web.Request) -> web.Response:
    return web.Response(
        body=request.app[DOCUMENT].page,
        charset="utf-8",
        content_type="text/html",
        headers=POLICY,
    )


async def redirect_to_docs(request: web.Request) -> web.Response:
    # Relative, so that a prefix that a proxy strips is kept. No exception: those become problem documents.
    relative = "../docs" if request.path == "/docs/" else "docs"
    return web.Response(status=302, headers={"Location": link_to(request, "/docs") if prefix_of(request) else relative})


async def get_viewer_file(request: web.Request) -> web.FileResponse:
    """Answer with the file of Swagger UI that the last part of the path names."""
    path = viewer_file(request.path.rpartition("/")[2])
    content_type = "text/css" if path.suffix == ".css" else "text/javascript"
    return web.FileResponse(path, headers={"Cache-Control": "public, max-age=3600", "Content-Type": content_type})


@route(
    "GET",
    "/docs/style.css",
    authorize.PUBLIC,
    "service.style",
    "Get the style sheet of /docs.",
    {200: Answer("The style sheet.", "text/css")},
)
async def get_style(request: web.Request) -> web.Response:
    del request
    return _static("docs.css", "text/css")


@route(
    "GET",
    "/docs/page.js",
    authorize.PUBLIC,
    "service.script",
    "Get the script of /docs.",
    {200: Answer("The script.", "text/javascript")},
)
async def get_script(request: web.Request) -> web.Response:
    del request
    return _static("docs.js", "text/javascript")


_REDIRECT: Final = "Redirect to /docs."
_TO_DOCS: Final = {302: Answer("To /docs.")}
ROUTES: Final = (
    get_openapi,
    get_docs,
    Route("GET", "/", redirect_to_docs, authorize.PUBLIC, "service.root", _REDIRECT, _TO_DOCS),
    Route("GET", "/docs/", redirect_to_docs, authorize.PUBLIC, "service.docs_too", _REDIRECT, _TO_DOCS),
    get_style,
    get_script,
    Route(
        "GET",
        "/docs/swagger-ui.css",
        get_viewer_file,
        authorize.PUBLIC,
        "service.viewer_style",
        "Get the style sheet of Swagger UI.",
        {200: Answer("The style sheet.", "text/css")},
    ),
    Route(
        "GET",
        "/docs/swagger-ui-bundle.js",
        get_viewer_file,
        authorize.PUBLIC,
        "service.viewer",
        "Get the script of Swagger UI.",
        {200: Answer("The script.", "text/javascript")},
    ),
)


def _static(name: str, content_type: str) -> web.Response:
    text = files("spawnpenny.web.openapi").joinpath("static", name).read_text(encoding="utf-8")
    return web.Response(text=text, content_type=content_type)

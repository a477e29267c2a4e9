"""A real proxy before real listeners, and the two routes of the service that it lives by."""

from __future__ import annotations

import asyncio
import functools
import io
import json
import logging
import shutil
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import structlog
import trustme
from aiohttp import web
from aiohttp_sse import sse_response
from playwright.async_api import async_playwright
from spawnpenny_dask_proxy.limits import ProxyLimits
from spawnpenny_dask_proxy.server import running_proxy

from spawnpenny.api import Settings
from spawnpenny.api.serving import configure_logs, listening
from spawnpenny.testing.patience import PATIENCE

TOKEN = "the-proxys-token"


class Service:
    """The two routes, with what a test puts there, for the proxy's own token alone."""

    def __init__(self):
        self.routes = {}
        self.tickets = {}
        self.posted = []
        self._changes = set()
        self._closing = asyncio.Event()

    def put(self, cluster, address, tls, *, dashboard=None, uid="uid-1", user="ada"):
        route = {"user": user, "uid": uid, "address": address, "tls": tls, "dashboard": dashboard}
        self.routes[cluster] = route
        self._notify(cluster, route)

    def remove(self, cluster):
        del self.routes[cluster]
        self._notify(cluster, None)

    def _notify(self, cluster, route):
        for changes in self._changes:
            changes.put_nowait({"cluster": cluster, "route": route})

    @asynccontextmanager
    async def serving(self, fixed_port=0):
        app = web.Application()
        app.router.add_get("/v1/routes", self._routes)
        app.router.add_post("/v1/users/{user}/dask/{cluster}/ticket", self._ticket)
        self._closing.clear()
        app.on_shutdown.append(self._close)
        async with listening(app, "127.0.0.1", fixed_port) as port:
            yield port

    async def _close(self, app):
        self._closing.set()

    async def _routes(self, request):
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise web.HTTPUnauthorized
        changes = asyncio.Queue()
        self._changes.add(changes)
        async with sse_response(request) as response:
            await response.send(json.dumps(self.routes), event="routes")
            closing = asyncio.ensure_future(self._closing.wait())
            while not closing.done():
                change = asyncio.ensure_future(changes.get())
                await asyncio.wait({change, closing}, return_when=asyncio.FIRST_COMPLETED)
                if change.done():
                    await response.send(json.dumps(change.result()), event="route")
                else:
                    change.cancel()
        return response

    async def _ticket(self, request):
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        ticket = (await request.json())["ticket"]
        self.posted.append(ticket)
        uid = self.tickets.pop((request.match_info["user"], request.match_info["cluster"], ticket), None)
        if uid is None:
            problem = {"code": "ticket_unknown", "detail": "It is used up."}
            return web.json_response(problem, status=404, content_type="application/problem+json")
        return web.json_response({"uid": uid})


@pytest.fixture
async def service():
    return Service()


def settings_for(port, **more):
    settings, listens = Settings(), {"host": "127.0.0.1", "port": 0, "dashboard_port": 0}
    gateway = replace(settings.gateway, service=f"http://127.0.0.1:{port}", **listens, **more)
    return replace(settings, gateway=gateway)


@pytest.fixture
def proxying(service):
    """Return a context in which the service and a proxy run, and the proxy knows the routes that there are."""

    @asynccontextmanager
    async def run(limits=None, **gateway):
        async with (
            service.serving() as port,
            running_proxy(settings_for(port, **gateway), TOKEN, limits=limits or ProxyLimits()) as proxy,
        ):
            await proxy.table.synced.wait()
            yield proxy

    return run


@pytest.fixture
def proxy_at():
    """Return a context in which a proxy runs, for a service at a port."""
    return lambda port, token=TOKEN, **gateway: running_proxy(settings_for(port, **gateway), token)


@pytest.fixture
async def proxy(proxying):
    async with proxying() as proxy:
        yield proxy


async def known(proxy, cluster, present=True):
    """Return once the proxy knows of a cluster, or knows it no more."""
    if present:
        assert await proxy.table.find(cluster, PATIENCE) is not None
    elif (way := proxy.table.get(cluster)) is not None:
        gone = asyncio.Event()
        async with asyncio.timeout(PATIENCE):
            with way.cutting(gone.set):
                await gone.wait()


@pytest.fixture(name="known")
def known_fixture():
    return known


@asynccontextmanager
async def tcp_server(handle, *, tls=None):
    """Listen on loopback; yield the port."""

    async def serve(reader, writer):
        try:
            await handle(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def listen():
    return tcp_server


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def server_tls(authority):
    """Make what a cluster's own scheduler serves with."""

    def make(cluster):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(f"daskgateway-{cluster}").configure_cert(context)
        return context

    return make


@pytest.fixture
def client_tls(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@functools.cache
def make_hello(name, *, alpn=()):
    """Return the first bytes that Python's own TLS client sends."""
    context = ssl.create_default_context()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if name is None:
        context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


@pytest.fixture(scope="session", name="hello")
def hello_():
    return make_hello


@pytest.fixture
async def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
def logged():
    """Write the log as the command does, and return a function that gives its lines."""
    stream = io.StringIO()
    handlers, level = logging.root.handlers[:], logging.root.level
    configure_logs("json", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()

"""Dashboards in a real browser: a scheduler's own plots, and what a hostile page in their place gets."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import re
import sys
import time
from contextlib import asynccontextmanager

import aiohttp
import dask
import pytest
from aiohttp import web
from bokeh.server.urls import per_app_patterns
from distributed.dashboard.scheduler import applications
from spawnpenny_dask_proxy.capability import Capabilities
from spawnpenny_dask_proxy.dashboards import REMEMBERED
from spawnpenny_dask_proxy.limits import ProxyLimits
from spawnpenny_dask_proxy.paths import is_open
from tornado.websocket import WebSocketHandler
from yarl import URL

from spawnpenny.api.serving import configure_logs, listening
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.processes import Processes

TOKEN, TICKET = "the-proxys-token", "t" * 43


def at(proxy, path=""):
    return f"http://127.0.0.1:{proxy.dashboard_port}{path}"


def capability(cluster="c1", uid="uid-1", lasts=60):
    return Capabilities(TOKEN).make(cluster, uid, int(time.time()) + lasts)


def raw(proxy, path):
    """Return a URL of which nothing is made better."""
    return URL(at(proxy, path), encoded=True)


async def known_uid(proxy, cluster, uid):
    """Return once the proxy knows of another scheduler of a cluster."""
    async with asyncio.timeout(PATIENCE):
        while (way := proxy.table.get(cluster)) is None or way.route.uid != uid:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0)


@pytest.fixture
async def client():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        yield client


@pytest.fixture
async def dashboard():
    """Serve a user's own program in the place of a dashboard; what it was asked is in its list."""
    requests = []
    app = web.Application()

    async def answer(request):
        requests.append(request)
        where = request.path.rpartition("/")[2].removesuffix(".html")
        headers = {"Set-Cookie": "mine=1; Path=/", "Clear-Site-Data": '"*"', "Access-Control-Allow-Origin": "*"}
        headers |= {"Content-Security-Policy": "default-src *", "X-Other": "x"}
        headers["Location"] = request.query.get("to", "http://evil.example/")
        status = int(where) if where.isdigit() else 200
        return web.Response(status=status, text="mine", headers=headers, content_type="text/html")

    async def echo(request):
        requests.append(request)
        socket = web.WebSocketResponse(protocols=("bokeh",))
        await socket.prepare(request)
        async for message in socket:
            if message.data == "bye":
                await socket.close(code=4001)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket

    app.router.add_get("/status/ws", echo)
    app.router.add_route("*", "/{path:.*}", answer)
    async with listening(app, "127.0.0.1", 0) as port:
        yield port, requests


@pytest.fixture
async def shown(service, proxy, dashboard, known):
    """Have a cluster with that dashboard; return the list of what it is asked."""
    port, requests = dashboard
    service.put("c1", "127.0.0.1", 1, dashboard=port)
    await known(proxy, "c1")
    return requests


async def test_a_ticket_is_used_up_by_its_form_and_not_by_looking_at_it(service, proxy, shown, client):
    service.tickets["ada", "c1", TICKET] = "uid-1"
    link = at(proxy, f"/clusters/c1/{TICKET}/status")
    for _ in range(2):  # a link's preview
        async with client.get(link) as page:
            assert page.status == 200
            assert "<form method" in await page.text()
    assert service.posted == []
    async with client.post(link, allow_redirects=False) as answer:
        assert answer.status == 303
        where = answer.headers["Location"]
    assert where.startswith("../cap.")
    async with client.get(URL(link).join(URL(where))) as page:
        assert (page.status, await page.text()) == (200, "mine")
    client.cookie_jar.clear()
    async with client.post(link, allow_redirects=False) as again:
        assert again.status == 403
        assert "used up" in await again.text()
    assert service.posted == [TICKET, TICKET]


@pytest.fixture
async def opening(service, proxying, dashboard, known):
    """Serve two clusters' dashboards under a public path; return a function that asks as a browser does."""
    async with (
        proxying(public_address="https://dask.example.org/p") as proxy,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        for cluster in ("c1", "c2"):
            service.put(cluster, "127.0.0.1", 1, dashboard=dashboard[0])
            service.tickets["ada", cluster, TICKET] = "uid-1"
            await known(proxy, cluster)

        async def ask(cookie, path=f"c1/{TICKET}", *, method="GET"):
            where = at(proxy, f"/p/clusters/{path}/status")
            async with client.request(method, where, headers={"Cookie": cookie}, allow_redirects=False) as answer:
                return answer.status, answer.headers.get("Location", ""), answer.headers.get("Set-Cookie")

        ask.proxy = proxy
        yield ask
    assert dashboard[1] == []


async def test_a_link_opens_again_in_the_browser_that_opened_it(opening):
    _, _, set_cookie = await opening("", method="POST")
    kept, *attributes = set_cookie.split("; ")
    assert set(attributes) == {
        "HttpOnly",
        f"Max-Age={REMEMBERED}",
        f"Path=/p/clusters/c1/{TICKET}",
        "SameSite=Lax",
        "Secure",
    }
    for method in ("GET", "HEAD", "POST"):
        status, where, cookie = await opening(kept, method=method)
        assert (status, cookie) == (303, None)
        assert where.startswith("../cap.")


async def test_what_a_browser_keeps_opens_nothing_but_its_link(service, opening):
    _, first, set_cookie = await opening("", method="POST")
    kept = set_cookie.partition(";")[0]
    name, _, value = kept.partition("=")
    until, _, signature = value.partition(".")
    forged = [f"{int(until) + 1}.{signature}", f"{int(until) - REMEMBERED}.{signature}", f"{until}.{'A' * 43}"]
    for cookie in ["", "x", value[:-1], f"{until}.", signature, first, capability(), *forged]:
        assert (await opening(f"{name}={cookie}"))[0] == 200, cookie  # the form, of which the ticket is used up
        assert (await opening(f"{name}={cookie}", method="POST"))[0] == 403, cookie
    assert (await opening(kept, f"c2/{TICKET}"))[0] == 200
    assert (await opening(kept, f"c1/{TICKET}x", method="POST"))[0] == 403
    assert (await opening(kept, f"c1/cap.{value}"))[0] == 403
    service.put("c1", "127.0.0.1", 1, dashboard=1, uid="uid-2")  # another scheduler of the same name
    await known_uid(opening.proxy, "c1", "uid-2")
    assert (await opening(kept, method="POST"))[0] == 403


async def test_what_is_too_long_for_a_ticket_is_not_asked_about(service, proxy, shown, client):
    for length, status in ((128, 403), (129, 404)):
        async with client.post(at(proxy, f"/clusters/c1/{'t' * length}/status")) as answer:
            assert answer.status == status
    assert [len(ticket) for ticket in service.posted] == [128]


async def test_a_ticket_for_another_scheduler_opens_nothing(service, proxy, shown, client):
    service.tickets["ada", "c1", TICKET] = "uid-0"
    async with client.post(at(proxy, f"/clusters/c1/{TICKET}/status"), allow_redirects=False) as answer:
        assert answer.status == 403
    assert shown == []


async def test_a_capability_is_for_one_scheduler_and_for_its_time(service, proxy, shown, client, known):
    port = service.routes["c1"]["dashboard"]
    service.put("c2", "127.0.0.1", 1, dashboard=port, uid="uid-2", user="bob")
    await known(proxy, "c2")
    good = capability()
    kind, until, signature = good.split(".")
    wrong = {
        "another cluster": ("c2", good),
        "an older scheduler": ("c1", capability(uid="uid-0")),
        "over": ("c1", capability(lasts=-1)),
        "longer": ("c1", f"{kind}.{int(until) + 1}.{signature}"),
        "damaged": ("c1", good[:-2]),
        "made up": ("c1", "cap.99999999999." + "A" * 43),
        "of another proxy": ("c1", Capabilities("other").make("c1", "uid-1", int(until))),
    }
    for why, (cluster, right) in wrong.items():
        async with client.get(at(proxy, f"/clusters/{cluster}/{right}/status")) as page:
            assert page.status == 403, why
            assert "dashboard_link is a new link" in await page.text()
    assert shown == []
    async with client.get(at(proxy, f"/clusters/c1/{good}")) as page:  # by way of …/status
        assert (page.status, str(page.url)) == (200, at(proxy, f"/clusters/c1/{good}/status"))
    async with client.get(at(proxy, f"/clusters/none/{good}/status")) as page:
        assert page.status == 404


async def test_no_credential_goes_up_and_nothing_but_content_comes_back(proxy, shown, client):
    headers = {
        "Cookie": "hub=secret",
        "Authorization": "Bearer secret",
        "Proxy-Authorization": "Basic c2VjcmV0",
        "X-Forwarded-User": "secret",
        "Referer": "http://hub/secret",
        "Origin": "http://hub",
        "Accept": "text/html",
    }
    async with client.get(at(proxy, f"/clusters/c1/{capability()}/status?theme=dark"), headers=headers) as page:
        assert (page.status, await page.text()) == (200, "mine")
        allowed = {"Content-Type", "Content-Length", "Date", "Server", "Cache-Control", "Referrer-Policy"}
        assert set(page.headers) <= allowed | {"Content-Security-Policy", "X-Content-Type-Options"}
        assert (
            page.headers["Content-Security-Policy"]
            == "sandbox allow-scripts allow-forms allow-popups; frame-ancestors 'none'"
        )
        assert page.headers["Server"] == "spawnpenny"
    (request,) = shown
    assert request.path_qs == "/status?theme=dark"
    assert set(request.headers) <= {"Host", "Accept", "Accept-Encoding"}
    assert "secret" not in str(request.headers)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_goes_nowhere(proxy, shown, client, status):
    async with client.get(at(proxy, f"/clusters/c1/{capability()}/statics/{status}"), allow_redirects=False) as page:
        assert page.status == 502
        assert "Location" not in page.headers


@pytest.mark.parametrize(
    ("path", "to", "where"),
    [
        ("/statics/302", "../info/main/workers.html", "./../info/main/workers.html"),
        ("/info/task/302.html", "/info/main/workers.html?a=1", "./../../info/main/workers.html?a=1"),
        ("/statics/302", "//evil.example/x", None),
        ("/statics/302", "/api/v1/retire_workers", None),
        ("/statics/302", "http://127.0.0.1:1/status", None),
        ("/statics/302", "/info/%2e%2e/%2e%2e/status", "./../status"),
        ("/statics/302", "http://[", None),
    ],
)
async def test_a_redirect_to_another_page_of_the_dashboard_leads_there(proxy, shown, client, path, to, where):
    page = at(proxy, f"/clusters/c1/{capability()}{path}")
    async with client.get(page, params={"to": to}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers.get("Location")) == ((303, where) if where else (502, None))


async def test_a_websocket_is_not_led_elsewhere(service, proxy, shown, client, known):
    async def lead(request):
        raise web.HTTPFound(f"http://127.0.0.1:{service.routes['c1']['dashboard']}/status/ws")

    app = web.Application()
    app.router.add_get("/{path:.*}", lead)
    async with listening(app, "127.0.0.1", 0) as port:
        service.put("c2", "127.0.0.1", 1, dashboard=port, uid="uid-2", user="bob")
        await known(proxy, "c2")
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await client.ws_connect(at(proxy, f"/clusters/c2/{capability('c2', 'uid-2')}/status/ws"))
    assert error.value.status == 502
    assert shown == []


@pytest.mark.parametrize(
    "head",
    ["101 x", "999 x", "200 x\r\nContent-Type: multipart/x-mixed-replace; boundary=x"],
)
async def test_what_is_no_plain_answer_is_not_passed_on(service, proxy, client, known, listen, head):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {head}\r\n\r\n--x\r\nSet-Cookie: planted=1\r\n\r\n".encode())
        await writer.drain()

    async with listen(answer) as port:
        service.put("c1", "127.0.0.1", 1, dashboard=port)
        await known(proxy, "c1")
        async with client.get(at(proxy, f"/clusters/c1/{capability()}/status")) as page:
            assert page.status == 502
            assert "planted" not in await page.text()


async def test_what_a_browser_has_already_is_not_sent_again(proxy, shown, client):
    headers = {"If-None-Match": '"1"'}
    async with client.get(at(proxy, f"/clusters/c1/{capability()}/statics/304"), headers=headers) as page:
        assert (page.status, await page.read()) == (304, b"")
    assert shown[0].headers["If-None-Match"] == '"1"'


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/retire_workers",
        "/API/v1",
        "//api/v1",
        "/%61pi/v1",
        "/%2561pi/v1",
        "/api",
        "/api;x/v1",
        "/api%2Fv1",
        "/%2Fapi",
        "\\api",
        "/%5Capi",
        "/x/../api/v1",
        "/x/%2e%2e/api/v1",
        "/./api",
        "/statics/..%2fapi",
        "/%00/api",
        "/jupyter/lab",
        "/%252525252561pi",
        "/ap%69.",
    ],
)
async def test_the_schedulers_own_api_is_not_reached_however_it_is_written(proxy, shown, client, path):
    for method in ("GET", "POST", "PUT"):
        async with client.request(method, raw(proxy, f"/clusters/c1/{capability()}{path}")) as page:
            assert page.status in {400, 404}
    assert shown == []


def served():
    """Yield what the installed distributed serves at a scheduler: paths, and whether each takes websockets."""
    modules = [importlib.import_module(name) for name in dask.config.get("distributed.scheduler.http.routes")]
    for pattern, handler, _ in (route for module in modules for route in module.routes):
        path = re.sub(r"\(.*?\)", "1", f"/{pattern.lstrip('/')}")
        yield path, issubclass(handler, WebSocketHandler)
    for page in applications:
        for pattern, handler in ((entry[0], entry[1]) for entry in per_app_patterns):
            yield page + pattern.rstrip("?").rstrip("/"), issubclass(handler, WebSocketHandler)
    yield from (("/", False), ("/sitemap.json", False), ("/static/js/bokeh.min.js", False))


def test_what_passes_is_what_distributed_serves_but_for_its_api_and_its_proxy():
    pages = dict(served())
    assert len(pages) > 100
    assert {path for path in pages if not is_open(path)} == {"/proxy/1/1/1", "/sitemap.json"}  # fails beside Bokeh
    sockets = {path for path, socket in pages.items() if socket}
    # a socket where jupyter-server-proxy is installed
    assert {path for path in pages if is_open(path, websocket=True)} == sockets - {"/proxy/1/1/1"}


@pytest.mark.parametrize(
    "path",
    ["/info/worker/tls%3A%2F%2F10.0.0.1%3A40331.html", "/info/task/x%27%2C%200.html", "/info/task/a%2Fapi.html", ""],
)
def test_pages_of_workers_and_tasks_pass_whatever_their_names(path):
    assert is_open(path)
    assert not is_open(path, websocket=True)


@pytest.mark.parametrize(
    "path",
    [
        "/proxy/27192/127.0.0.1/secret/path",
        "/proxy/27192/localhost/status/ws",
        "/proxy/8787/127.0.0.1/jupyter/api/kernels/x/channels",
        "/pro%78y/1/127.0.0.1/ws",
        "/pro%2578y/1/127.0.0.1/ws",
        "//proxy/1/127.0.0.1/status/ws",
        "/status/../proxy/1/127.0.0.1/ws",
        "/status/%2e%2e/proxy/1/127.0.0.1/ws",
        "/status/..;/proxy/1/127.0.0.1/ws",
        "/PROXY/1/127.0.0.1/status/ws",
        "/proxy%2F1%2F127.0.0.1%2Fstatus/ws",
        "\\proxy\\1\\127.0.0.1\\ws",
        "/\uff50roxy/1/127.0.0.1/ws",
        "/jupyter/api/kernels/x/channels",
        "/api/x",
        "/a\\api/ws",
        "/statics/x/ws",
        "/info/task/x.html",
        "/other/ws",
        "/status",
        "/ws",
    ],
)
async def test_no_websocket_but_a_plots_own_reaches_the_scheduler(proxy, shown, client, path):
    for upgrade in ("websocket", "WebSocket", " websocket "):
        headers = {"Upgrade": upgrade, "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        headers["Sec-WebSocket-Version"] = "13"
        async with client.get(raw(proxy, f"/clusters/c1/{capability()}{path}"), headers=headers) as page:
            assert page.status in {400, 404}
    assert shown == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_workers_own_pages_are_not_reached_through_the_scheduler(proxy, shown, client, method):
    async with client.request(method, at(proxy, f"/clusters/c1/{capability()}/proxy/8787/10.0.0.1/status")) as page:
        assert page.status == 404
        assert method == "HEAD" or "A worker&#x27;s own dashboard is not shown" in await page.text()
    assert shown == []


async def test_no_page_of_the_proxys_host_is_framed(service, proxy, shown, client):
    service.tickets["ada", "c1", TICKET] = "uid-1"
    own = f"/clusters/c1/{capability()}"
    for path in (f"/clusters/c1/{TICKET}/status", f"{own}/status", own, f"{own}/proxy/1/x/status", "/none", "/healthz"):
        async with client.get(at(proxy, path), allow_redirects=False) as page:
            assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


async def test_only_reading_is_passed_on(proxy, shown, client):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        async with client.request(method, at(proxy, f"/clusters/c1/{capability()}/status")) as page:
            assert page.status == 405
            assert not any(name.startswith("Access-Control") for name in page.headers)
    assert shown == []


async def test_a_websocket_goes_through_with_its_protocols_and_ends_with_its_route(
    service, proxy, shown, client, known
):
    url = at(proxy, f"/clusters/c1/{capability()}/status/ws")
    headers = {"Cookie": "hub=secret", "Authorization": "Bearer secret"}
    async with client.ws_connect(url, protocols=("bokeh", "token-of-bokeh"), origin="null", headers=headers) as socket:
        assert socket.protocol == "bokeh"
        await socket.send_str("text")
        assert await socket.receive_str(timeout=PATIENCE) == "text"
        await socket.send_bytes(b"\0" * 200_000)
        assert await socket.receive_bytes(timeout=PATIENCE) == b"\0" * 200_000
        (request,) = shown
        assert request.headers["Sec-WebSocket-Protocol"].replace(" ", "") == "bokeh,token-of-bokeh"
        assert not {"Origin", "Cookie", "Authorization"} & set(request.headers)
        service.remove("c1")
        assert (await socket.receive(timeout=PATIENCE)).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    async with client.get(url) as page:
        assert page.status == 404


async def test_no_sub_protocol_is_logged(proxy, shown, client, caplog):
    configure_logs("json")
    logging.getLogger().addHandler(caplog.handler)
    url = at(proxy, f"/clusters/c1/{capability()}/status/ws")
    async with client.ws_connect(url, protocols=("other", "token-of-bokeh")) as socket:
        assert socket.protocol is None
        await socket.send_str("text")
        assert await socket.receive_str(timeout=PATIENCE) == "text"
    assert "token-of-bokeh" not in caplog.text


async def test_how_a_websocket_was_ended_is_passed_on(proxy, shown, client):
    async with client.ws_connect(at(proxy, f"/clusters/c1/{capability()}/status/ws")) as socket:
        await socket.send_str("bye")
        message = await socket.receive(timeout=PATIENCE)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4001)


async def test_a_dashboard_that_is_not_there_is_said_to_be(service, proxy, client, known):
    service.put("c1", "127.0.0.1", 1, dashboard=1)
    await known(proxy, "c1")
    for path, more in (("/status", {}), ("/status/ws", {"Upgrade": "websocket", "Connection": "Upgrade"})):
        async with client.get(at(proxy, f"/clusters/c1/{capability()}{path}"), headers=more) as page:
            assert page.status == 502
            assert "does not answer" in await page.text()


async def test_no_dashboard_is_shown_when_the_service_was_silent_too_long(service, proxying, dashboard, client, known):
    async with proxying(ProxyLimits(fresh=0)) as proxy:
        service.put("c1", "127.0.0.1", 1, dashboard=dashboard[0])
        await known(proxy, "c1")
        async with client.get(at(proxy, f"/clusters/c1/{capability()}/status")) as page:
            assert page.status == 503
    assert dashboard[1] == []


async def test_the_public_addresss_prefix_may_be_taken_away_or_left(service, proxying, dashboard, client, known):
    async with proxying(public_address="https://hub.example/services/dask/") as proxy:
        service.put("c1", "127.0.0.1", 1, dashboard=dashboard[0])
        await known(proxy, "c1")
        for prefix, status in (("", 200), ("/services/dask", 200), ("/other", 404)):
            async with client.get(at(proxy, f"{prefix}/clusters/c1/{capability()}/status")) as page:
                assert page.status == status


HOSTILE = """<!doctype html><title>mine</title><body><script>
const found = {};
const tries = {
  cookie: () => document.cookie, setCookie: () => { document.cookie = "x=1"; return document.cookie; },
  local: () => localStorage.length, session: () => sessionStorage.length, indexed: () => indexedDB.open("x"),
  parent: () => opener && opener.document.title, worker: () => navigator.serviceWorker.register("sw.js"),
  databases: () => indexedDB.databases(),
};
const reads = async (url, more) => { const got = await fetch(url, more); return `${got.status} ${await got.text()}`; };
const asked = ASKED;
(async () => {
  for (const [name, work] of Object.entries(tries)) {
    try { found[name] = `got ${await work()}`; } catch (error) { found[name] = "none"; }
  }
  for (const [name, url, more] of asked) {
    try { found[name] = `got ${await reads(url, more)}`; } catch (error) { found[name] = "none"; }
  }
  try { opener.location = "about:blank#taken"; found.navigate = "tried"; } catch (error) { found.navigate = "none"; }
  found.origin = self.origin;
  document.title = JSON.stringify(found);
})();
</script>"""


class Hub:
    """A page of the Hub's own host, which leads to a dashboard, and an API at the same host."""

    def __init__(self):
        self.link = ""
        self.requests = []

    async def answer(self, request):
        self.requests.append(request.headers)
        text = f'<title>hub</title><a id="open" target="_blank" rel="opener" href="{self.link}">dashboard</a>'
        return web.Response(text=text, content_type="text/html")


class Hostile:
    """A page in a dashboard's place, which tries what it can for whoever looks at it."""

    def __init__(self):
        self.tries = []
        self.requests = []

    async def answer(self, request):
        self.requests.append(request.headers)
        headers = {"Set-Cookie": "planted=1; Path=/", "Content-Security-Policy": "sandbox allow-same-origin"}
        text = HOSTILE.replace("ASKED", json.dumps(self.tries))
        return web.Response(text=text, content_type="text/html", headers=headers)


@asynccontextmanager
async def answering(what):
    app = web.Application()
    app.router.add_get("/{path:.*}", what.answer)
    async with listening(app, "127.0.0.1", 0) as port:
        yield port


async def look(browser, hub, *known):
    """Open the dashboard from the Hub's page, as somebody who has a cookie at the known hosts; return what it found."""
    async with await browser.new_context() as context:
        await context.add_cookies([{"name": "hub", "value": "secret", "url": url} for url in (hub, *known)])
        start = await context.new_page()
        await start.goto(f"{hub}/")
        async with context.expect_page() as opened:
            await start.click("#open")
        page = await opened.value
        await page.wait_for_function("document.title.startsWith('{')")
        found = json.loads(await page.title())
        return found, start.url, {cookie["name"] for cookie in await context.cookies()}


async def test_a_hostile_page_in_the_dashboards_place_gets_nothing(service, proxy, browser, known):
    hub, hostile = Hub(), Hostile()
    async with answering(hostile) as port, answering(hub) as hub_port:
        where = f"http://localhost:{hub_port}"
        service.put("c1", "127.0.0.1", 1, dashboard=port)
        service.put("c2", "127.0.0.1", 1, dashboard=port, uid="uid-2", user="bob")
        service.tickets["bob", "c2", TICKET] = "uid-2"
        await known(proxy, "c2")
        mine, theirs = f"/clusters/c1/{capability()}", f"/clusters/c2/{capability('c2', 'uid-2')}"
        hub.link = at(proxy, f"{mine}/status")
        credentials = {"credentials": "include"}
        hostile.tries = [
            ["api", f"{where}/v1/users/ada", credentials],
            ["another", at(proxy, f"{theirs}/status"), credentials],
            ["ticket", at(proxy, f"/clusters/c2/{TICKET}/status"), {"method": "POST", **credentials}],
            ["scheduler", at(proxy, f"{mine}/api/v1/get_workers"), {}],
        ]
        found, start, cookies = await look(browser, where, at(proxy))
    assert found.pop("origin") == "null"
    assert set(found.values()) == {"none"}, found
    assert (start, cookies) == (f"{where}/", {"hub"})
    assert not {"Cookie", "Authorization", "Referer", "Origin"} & {
        name for headers in hostile.requests for name in headers
    }
    # The browser may ask what the page then cannot read.
    assert {headers["Origin"] for headers in hub.requests if "Origin" in headers} == {"null"}


@pytest.fixture
def scheduler(tmp_path):
    """Run a real scheduler with its dashboard; return the dashboard's port."""
    with Processes(tmp_path) as processes:
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
        processes.start("scheduler", [*command, "--dashboard-address", "127.0.0.1:0"])
        log = tmp_path / "scheduler.log"
        found = re.compile(r"dashboard at:\s+http://127\.0\.0\.1:(\d+)/")
        processes.wait_until(lambda: found.search(log.read_text()) is not None, "the scheduler", seconds=PATIENCE)
        yield int(found.search(log.read_text())[1])


async def test_a_real_dashboard_shows_live_plots_in_its_sandbox(service, proxying, scheduler, browser, known):
    async with proxying(public_address="http://127.0.0.1") as proxy:
        service.put("c1", "127.0.0.1", 1, dashboard=scheduler)
        service.tickets["ada", "c1", TICKET] = "uid-1"
        await known(proxy, "c1")
        page = await browser.new_page()
        sockets, frames, failed = [], asyncio.Event(), []

        def note(socket):
            sockets.append(socket)
            socket.on("framereceived", lambda _: frames.set())

        page.on("websocket", note)
        page.on("requestfailed", lambda request: failed.append(request.url))
        await page.goto(at(proxy, f"/clusters/c1/{TICKET}/status"))  # the form submits itself
        await page.wait_for_url("**/cap.*/status")
        await page.wait_for_function("() => self.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")
        async with asyncio.timeout(PATIENCE):
            await frames.wait()
        assert await page.evaluate("self.origin") == "null"
        assert await page.evaluate("Bokeh.documents[0].roots().length") > 0
        assert all("/clusters/c1/cap." in socket.url for socket in sockets)
        assert failed == []
        async with aiohttp.ClientSession() as client:
            base = page.url.removesuffix("/status")
            for path, status in (
                ("/info/main/workers.html", 200),
                ("/individual-plots.json", 200),
                ("/health", 200),
                ("/api/v1/get_workers", 404),
                ("/", 200),
            ):
                async with client.get(f"{base}{path}") as answer:
                    assert answer.status == status, path

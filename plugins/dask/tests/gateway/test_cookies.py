"""The gateway's cookie: one request a call, and nothing more than the credential that it stands for."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import encode_basic_auth
from spawnpenny_dask.gateway.cookies import NAME, SECONDS, GatewayCookies
from structlog.testing import capture_logs

from spawnpenny.api import Authenticator, Identity, hookimpl, safe_slug
from spawnpenny.testing.ports import free_ports

CLUSTERS = "/gateway/api/v1/clusters/"
OPTIONS = "/gateway/api/v1/options"


async def cookie_of(client, **headers):
    """Return the cookie that a client gets for its credential."""
    async with client.get(CLUSTERS, headers=headers) as answer:
        assert answer.status == 200
        return answer.cookies[NAME].value if NAME in answer.cookies else None


async def status(client, path=CLUSTERS, *, cookie=None, method="GET", header=None, **more):
    sent = header or (f"{NAME}={cookie}" if cookie is not None else None)
    headers = {**({"Cookie": sent} if sent is not None else {}), **more.pop("headers", {})}
    async with client.request(method, path, headers=headers, **more) as answer:
        return answer.status


@pytest.fixture
async def bare(server):
    """Have a client that sends no credential, and keeps no cookie."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def test_each_further_call_of_the_unmodified_client_is_one_request(gateway):
    with capture_logs() as entries:
        for _ in range(3):
            await gateway.list_clusters()
        name = await gateway.submit()
        await gateway.stop_cluster(name)
    answered = [(line["method"], line["status"]) for line in entries if line["event"] == "request"]
    assert answered == [("GET", 401), ("GET", 200), ("GET", 200), ("GET", 200), ("POST", 201), ("DELETE", 204)]


async def test_a_cookie_is_for_the_gateways_routes_alone_and_says_so(server, bare, caller):
    async with (await caller("ada")).get(CLUSTERS) as answer:
        morsel = answer.cookies[NAME]
    assert (morsel["path"], morsel["samesite"], morsel["max-age"]) == ("/gateway", "Strict", str(SECONDS))
    assert morsel["httponly"] is True
    assert not morsel["domain"]
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert {await status(bare, cookie=morsel.value), await status(bare, OPTIONS, cookie=morsel.value)} == {200}
    guarded = 0
    for route in server.app.router.routes():
        path = (route.resource.canonical if route.resource else "").replace("{user}", "ada")
        if route.method != "GET" or not path.startswith("/v1/"):
            continue
        path = path.replace("{lab}", "x").replace("{cluster}", "x")
        assert await status(bare, path, cookie=morsel.value) == 401, path
        guarded += 1
    assert guarded > 5


@pytest.mark.parametrize(
    "header",
    [
        NAME,
        f"{NAME}=",
        f"{NAME}=x",
        f"{NAME}={'x' * 43}",
        f'{NAME}="{{good}}"',
        f"{NAME}={{good}}; {NAME}={{good}}",
        f"{NAME}={{good}}x",
        f"x{NAME}={{good}}",
        f"{NAME}={{good}}; a={'x' * 5000}",
        f"{NAME}=\xff\xfe",
        f"{NAME}; ={{good}}",
    ],
)
async def test_what_is_no_cookie_of_ours_is_as_no_credential(bare, caller, header):
    good = await cookie_of(await caller("ada"))
    header = header.replace("{good}", good).replace("{{good}}", good)
    async with bare.get(CLUSTERS, headers={"Cookie": header}) as answer:
        assert (answer.status, NAME in answer.cookies) == (401, False)
    # A credential beside it counts alone.
    assert await status(bare, header=header, headers={"Authorization": "Bearer ada-token"}) == 200


async def test_a_credential_beside_a_cookie_decides(bare, caller):
    ada = await cookie_of(await caller("ada"))
    assert await status(bare, cookie=ada, headers={"Authorization": "Bearer wrong"}) == 401
    async with bare.get("/gateway/api/v1/clusters/", headers={"Authorization": "Bearer bob-token"}) as answer:
        assert answer.cookies[NAME].value != ada


@pytest.mark.parametrize("where", ["/gateway", "/services/dask/gateway", "/services/dask/api", "/api"])
async def test_its_path_is_the_one_that_the_client_sees(site, serving, where):
    site.data["web"] = {"prefix": "/services/dask"}
    path = f"{where.removesuffix('/api')}/api/v1/clusters/"
    async with serving(site) as server, server.client("ada") as client, client.get(path) as answer:
        assert (answer.status, answer.cookies[NAME]["path"]) == (200, where)


@pytest.mark.parametrize("name", ["ada-reader", "admin", "nobody", "wrong"])
async def test_who_may_not_use_the_gateway_gets_none(caller, name):
    async with (await caller(name)).get(CLUSTERS) as answer:
        assert answer.status in {401, 409, 422}
        assert NAME not in answer.cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://hub.example.org"},
        {"Origin": "null"},
        {"Referer": "https://hub.example.org/"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Mode": "navigate"},
    ],
)
async def test_a_page_can_neither_use_nor_get_one(bare, caller, headers):
    ada = await caller("ada")
    good = await cookie_of(ada)
    assert await cookie_of(ada, **headers) is None
    assert await status(bare, cookie=good, headers=headers) == 401
    assert await status(bare, f"{CLUSTERS}x", cookie=good, method="DELETE", headers=headers) == 401


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
async def test_a_form_of_another_site_starts_nothing(bare, caller, kind):
    good = await cookie_of(await caller("ada"))
    headers = {"Content-Type": kind} if kind else {}
    more = {"headers": headers, "skip_auto_headers": ["Content-Type"], "data": b'{"cluster_options": {}}'}
    assert await status(bare, cookie=good, method="POST", **more) == 401
    async with bare.get(CLUSTERS, headers={"Authorization": "Bearer ada-token"}) as answer:
        assert await answer.json() == {}


class Passes(Authenticator):
    """Knows tokens that a test can take back, by the header that any authenticator may read."""

    def __init__(self):
        self.known = set()

    async def authenticate(self, credentials):
        if credentials.token not in self.known:
            return None
        assert credentials.headers["Authorization"] == f"Bearer {credentials.token}"
        return Identity("pass", frozenset({"spawn:self"}), username="ada")


async def test_it_ends_with_its_credential(site, serving):
    passes = Passes()
    hook = hookimpl(lambda settings: [passes])
    site.plugins = {**site.plugins, "passes": SimpleNamespace(spawnpenny_authenticators=hook)}
    passes.known.add("pass")
    async with serving(site) as server, server.client() as client:
        cookie = await cookie_of(client, Authorization="Bearer pass")
        assert await status(client, cookie=cookie) == 200
        passes.known.clear()
        assert await status(client, cookie=cookie) == 401


async def test_another_replica_asks_for_the_credential_and_one_that_passes_on_sends_it(site, serving):
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(serving(site, name, port))
            for name, port in zip("ab", free_ports(2), strict=True)
        ]
        first = await stack.enter_async_context(one.gateway())
        name = await first.submit()
        await two.service.membership.ownership.wait_for_other_owner(safe_slug("ada"))
        client = await stack.enter_async_context(two.client())
        cookie = await cookie_of(client, Authorization="Bearer ada-token")
        async with client.get(f"{CLUSTERS}{name}", headers={"Cookie": f"{NAME}={cookie}"}) as answer:
            assert (answer.status, (await answer.json())["name"]) == (200, name)
            assert NAME not in answer.cookies  # not the other replica's, which would not be known here
        assert await status(await stack.enter_async_context(one.client()), cookie=cookie) == 401
        await first.stop_cluster(name)


def test_cookies_expire_are_given_again_and_are_bounded():
    now = 0.0
    cookies = GatewayCookies(clock=lambda: now)
    first = cookies.give("Bearer one", "ada")
    assert cookies.give("Bearer one", "ada") == first != cookies.give("Bearer two", "ada")
    now = SECONDS * 0.6
    second = cookies.give("Bearer one", "ada")
    assert second != first
    assert cookies.find(first) == cookies.find(second) == "Bearer one"
    now = SECONDS + 1
    assert cookies.find(first) is None
    assert cookies.find(second) == "Bearer one"
    now = 3 * SECONDS
    assert cookies.find(second) is None
    assert not len(cookies)
    for number in range(10_100):
        cookies.give(f"Bearer {number}", f"user{number}")
    assert len(cookies) <= 10_000
    assert cookies.find(cookies.give("Bearer 10099", "user10099")) == "Bearer 10099"
    assert len(cookies) == 10_000
    cookies.find("of nobody")
    assert len(cookies) == 10_000  # who only looks pushes nobody out


async def test_who_sends_one_token_in_many_ways_gets_few_and_pushes_nobody_out(bare, caller):
    bob = await cookie_of(await caller("bob"))

    async def given(name):
        return await cookie_of(bare, Authorization=encode_basic_auth(name, "ada-token"))

    found = [await given(f"name-{number}") for number in range(100)]
    assert [cookie is not None for cookie in found] == [True] * 32 + [False] * 68
    assert {await status(bare, cookie=cookie) for cookie in (found[0], found[31], bob)} == {200}
    assert await given("name-0") == found[0]


async def test_a_long_credential_gets_none(bare):
    assert await cookie_of(bare, Authorization=encode_basic_auth("x" * 3500, "ada-token")) is None


def test_a_cookie_does_not_show_its_credential():
    cookies = GatewayCookies()
    cookies.give("Bearer secret", "ada")
    assert "secret" not in repr(vars(cookies))

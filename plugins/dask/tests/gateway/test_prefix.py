"""The path under which a proxy in front keeps the service: with it and without it, all routes are the same."""

from __future__ import annotations

import pytest
from dask_gateway import Gateway
from dask_gateway.auth import BasicAuth
from structlog.testing import capture_logs
from yarl import URL

from spawnpenny.api import SettingsError
from spawnpenny.testing.plugins import make_settings

OURS = "/services/dask-gateway"


@pytest.mark.parametrize("address", [OURS, f"{OURS}/", f"{OURS}/gateway", "/gateway", "/"])
async def test_daskgateways_client_takes_either_address(server, address):
    url = f"http://127.0.0.1:{server.port}{address}"
    async with Gateway(url, auth=BasicAuth("lab", "ada-token"), asynchronous=True) as gateway:
        name = await gateway.submit()
        assert [report.name for report in await gateway.list_clusters()] == [name]
        with pytest.raises(ValueError, match="Cluster none not found"):
            await gateway.get_cluster("none")
        await gateway.stop_cluster(name)


@pytest.mark.parametrize("prefix", ["", OURS])
async def test_links_lead_back_through_the_proxy_that_a_request_came_by(caller, prefix):
    hub, anybody = await caller("hub"), await caller()
    for path in ("/healthz", "/readyz", "/metrics", "/docs", "/docs/style.css", "/gateway/api/version", "/api/health"):
        assert (await anybody.get(f"{prefix}{path}")).status == 200, path
    for path in ("/", "/docs/", *([""] if prefix else [])):
        assert (await anybody.get(f"{prefix}{path}")).url.path == f"{prefix}/docs"
    document = await (await anybody.get(f"{prefix}/openapi.json")).json()
    assert document.get("servers") == ([{"url": prefix}] if prefix else None)
    started = await hub.put(f"{prefix}/v1/users/ada/labs/one", json={"start": "s1"})
    assert (started.status, started.headers["Location"]) == (202, f"{prefix}/v1/users/ada/labs/one")
    assert (await hub.get(started.headers["Location"])).status == 200
    unknown = await (await hub.get(f"{prefix}/v1/users/ada/labs/two")).json()
    assert unknown["instance"] == f"{prefix}/v1/users/ada/labs/two"


@pytest.mark.parametrize(
    "path",
    [f"{OURS}x/healthz", f"{OURS}/../healthz", f"{OURS}%2Fhealthz", "/services/healthz", f"{OURS}{OURS}/healthz"],
)
async def test_no_other_path_is_the_prefix(caller, path):
    answer = await (await caller()).get(URL(path, encoded=True))
    assert answer.status == 404


@pytest.mark.parametrize(
    "path", ["//x/healthz", "//", "///healthz", "//[", "//[::1/healthz", "//x:99999/healthz", "//a@b:/healthz", "//x?y"]
)
async def test_two_slashes_after_the_prefix_are_no_host(caller, path):
    anybody = await caller()
    with capture_logs() as entries:
        for prefix in (OURS, ""):
            answer = await anybody.get(URL.build(path=f"{prefix}{path}", encoded=True))
            assert (answer.status, (await answer.json())["code"]) == (404, "route_not_found"), prefix
    assert [line["path"] for line in entries if line["event"] == "request"] == [path.partition("?")[0]] * 2


async def test_a_token_is_asked_for_below_the_prefix_too(caller):
    anybody, ada = await caller(), await caller("ada")
    for path in ("/v1/labs", "/v1/routes", "/v1/users/bob/dask", "/gateway/api/v1/clusters/", "/api/v1/clusters/"):
        assert (await anybody.get(f"{OURS}{path}")).status == 401
    for path in ("/v1/labs", "/v1/routes", "/v1/users/bob/dask"):
        assert (await ada.get(f"{OURS}{path}")).status == 403


async def test_another_prefix_takes_its_place_and_none_is_none(site, serving):
    for prefix, found in (("/hub-of-a-site/services/dask/", "/hub-of-a-site/services/dask"), ("", "")):
        site.data["web"] = {"prefix": prefix}
        async with serving(site) as server, server.client() as anybody:
            assert (await anybody.get(f"{OURS}/healthz")).status == 404
            assert (await anybody.get(f"{found}/healthz")).status == 200
            assert (await anybody.get("/healthz")).status == 200


@pytest.mark.parametrize("prefix", ["services", "/a b", "/a//b", "/a/../b", "/v1", "/gateway/x", "/a?b", 3])
def test_a_prefix_that_is_none_is_refused(prefix):
    with pytest.raises(SettingsError, match=r"web\.prefix"):
        make_settings({"web": {"prefix": prefix}})


def test_no_path_of_the_services_own_is_a_prefix(server):
    paths = {route.resource.canonical for route in server.app.router.routes() if route.resource}
    for path in sorted(paths | {"/api", "/api/v1/clusters/"}):
        prefix = path.split("{")[0].rstrip("/")
        if prefix:
            with pytest.raises(SettingsError, match="path of the service itself"):
                make_settings({"web": {"prefix": prefix}})


@pytest.mark.parametrize("prefix", ["/api/dask", "/v1x", "/docs-of-a-site", "/healthz-of/dask"])
def test_a_path_that_begins_like_one_of_the_services_own_may_be_a_prefix(prefix):
    assert make_settings({"web": {"prefix": prefix}}).web.prefix == prefix

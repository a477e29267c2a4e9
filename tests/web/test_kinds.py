"""The generic REST of a kind that a site's plugin declares, over HTTP."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from spawnpenny.api import hookimpl, pod_is_ready
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.web_server import token_settings
from tests.kit.farm import FARM as FARM_KIND
from tests.kit.farm import FarmPlugin
from tests.web.conftest import SCOPES

FARMS = "/v1/users/ada/farms"
FARM = f"{FARMS}/f1"
START = {"start": "s1", "options": {"engine": "fast"}, "scale": {"count": 2}}


@pytest.fixture
def farms(site):
    """Have a site whose plugin brings render farms, with a budget of 4 CPU."""
    site.plugins = {"farm": FarmPlugin}
    site.data["plugins"]["farm"] = {}
    site.data["plugins"]["quota"] = {"cpu": 4}
    return site


async def answered(response, status=200):
    assert response.status == status, await response.text()
    return await response.json()


async def ended(client, path=FARM, **query):
    """Follow a spawn until it runs, has failed or is gone; return the text of its events."""
    async with asyncio.timeout(PATIENCE), client.get(f"{path}/events", params=query) as response:
        assert response.content_type == "text/event-stream"
        return await response.text()


async def until_ready(service, site, count):
    """Wait until so many pods of the user are ready."""
    pods = service.service_context.pods
    async with asyncio.timeout(PATIENCE):
        with pods.subscribe() as changes:
            while sum(map(pod_is_ready, pods.within(site.namespace()))) != count:
                await anext(changes)


async def running(client, path=FARM, body=START):
    await answered(await client.put(path, json=body), 202)
    await ended(client, path)
    return await answered(await client.get(path))


async def test_a_kind_is_started_read_scaled_listed_and_stopped(farms, caller):
    ada = await caller("ada")
    response = await ada.put(FARM, json=START)
    started = await answered(response, 202)
    assert response.headers["Location"] == FARM
    assert (started["name"], started["kind"], started["start"], started["scale"]["count"]) == ("f1", "farm", "s1", 2)
    assert "farm.master: done" in await ended(ada)
    found = await answered(await ada.get(FARM))
    assert (found["phase"], found["options"], found["url"][:7]) == ("running", {"engine": "fast"}, "http://"), found
    assert found["resources"] == {"cpu": "3", "memory": "3Gi"}
    assert (await answered(await ada.put(FARM, json={"start": "s1"})))["spawn"] == found["spawn"]

    scaled = await answered(await ada.post(f"{FARM}/scale", json={"count": 9}))
    assert (scaled["ok"], scaled["scale"]["count"]) == (False, 3)
    assert "It scales to 3 instead." in scaled["msg"]
    assert (await answered(await ada.post(f"{FARM}/scale", json={"count": 1})))["ok"]

    listed = await answered(await ada.get(FARMS))
    assert [farm["name"] for farm in listed["farms"]] == ["f1"]
    assert await answered(await ada.get(FARMS, params={"status": "failed"})) == {"farms": []}
    everybody = await answered(await (await caller("reader")).get("/v1/farms", params={"limit": "1"}))
    assert ([farm["user"] for farm in everybody["farms"]], everybody["next"], everybody["unknown"]) == (
        ["ada"],
        None,
        [],
    )

    assert (await ada.delete(FARM, params={"start": "another"})).status == 204
    assert (await ada.delete(FARM, params={"wait": "60"})).status == 204
    gone = await answered(await ada.get(FARM), 404)
    assert (gone["code"], gone["title"]) == ("farm_not_found", "There is no such render farm")
    assert (gone["detail"], gone["name"]) == ("ada has no render farm 'f1'.", "f1")
    assert gone["advice"]


async def test_an_answer_has_the_workers_and_the_details_of_the_plugin(farms, server, caller):
    ada = await caller("ada")
    await running(ada)
    await until_ready(server.service, farms, 3)
    found = await answered(await ada.get(FARM))
    assert found["workers"] == {"running": 2, "pending": 0}
    assert found["details"] == {"ready": 3, "note": "ada renders with 3 pods"}
    assert (found["waiting_for"], found["lab"], found["by"]) == (None, None, "token:ada")


async def test_faulty_details_cost_the_answer_nothing_else(farms, caller, logged):
    hub, ada = await caller("hub"), await caller("ada")
    await hub.put("/v1/users/ada", json={"uid": 1234, "groups": [{"name": "admins", "id": 5}]})
    found = await running(ada, body={"start": "s1", "options": {"engine": "test"}})
    assert (found["phase"], found["details"]) == ("running", {})


SECRET = "Zz-s3cret-of-ada"


def raising(status, pods):
    raise ValueError(f"cannot read {SECRET}")


def nested(status, pods):
    details = {}
    for _ in range(700):
        details = {"more": details}
    return details


@pytest.mark.parametrize(
    ("details", "shown"),
    [
        (raising, {}),
        (nested, {}),
        (lambda status, pods: {"one": {1, 2}}, {}),
        (lambda status, pods: {SECRET: [{SECRET: SECRET}]}, {"[secret]": [{"[secret]": "[secret]"}]}),
    ],
)
async def test_details_harm_no_answer_and_show_no_secret_of_the_start(farms, serving, logged, details, shown):
    kinds = hookimpl(lambda: [replace(FARM_KIND, details=details)], specname="spawnpenny_kinds")
    farms.plugins = {"farm": type("Plugin", (FarmPlugin,), {"spawnpenny_kinds": staticmethod(kinds)})}
    async with serving(farms) as server, server.client("ada") as ada:
        started = await answered(await ada.put(FARM, json={**START, "env": {"TOKEN": SECRET}}), 202)
    assert started["details"] == shown
    assert SECRET not in json.dumps(logged())


async def test_a_kind_has_a_largest_number_of_workers(farms, caller):
    ada = await caller("ada")
    await running(ada)
    beyond = await answered(await ada.post(f"{FARM}/scale", json={"count": 21}), 422)
    assert (beyond["detail"], beyond["maximum"]) == ("The most workers of a render farm are 20.", 20)
    assert (await answered(await ada.get(FARM)))["scale"]["count"] == 2


async def test_what_does_not_fit_is_refused_with_the_numbers(farms, caller):
    refused = await answered(await (await caller("ada")).put(FARM, json={**START, "scale": {"count": 9}}), 403)
    assert (refused["code"], refused["resource"], refused["limit"]) == ("quota_exceeded", "cpu", "4")


async def test_a_failed_start_is_undone_with_the_advice_of_the_plugin(farms, caller):
    ada = await caller("ada")
    found = await running(ada, body={**START, "options": {"engine": "broken"}})
    assert (found["phase"], found["reason"]["message"]) == ("failed", "The engine has no licence.")
    assert found["reason"]["advice"] == "Choose the other engine."
    assert found["resources"] == {"cpu": "0", "memory": "0"}
    assert "Pod" not in {name.partition("/")[0] for name in await farms.objects()}


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 422, "request_invalid", "start"),
        ({"start": "s", "options": {"engine": "steam"}}, 422, "option_unknown", "options.engine"),
        ({"start": "s", "options": {"engines": "fast"}}, 422, "option_unknown", "options.engines"),
        ({"start": "s", "options": {"engine": "test"}}, 422, "option_unknown", "options.engine"),  # for administrators
        ({"start": "s", "scale": 2}, 422, "request_invalid", "scale"),
        ({"start": "s", "scale": {"count": -1}}, 422, "request_invalid", "scale.count"),
        ({"start": "s", "scale": {"count": 21}}, 422, "request_invalid", "scale.count"),
        ({"start": "s", "scale": {"count": 1, "adaptive": True}}, 422, "request_invalid", "scale.adaptive"),
        ({"start": "s", "tls": {}}, 422, "request_invalid", "tls"),
    ],
)
async def test_a_wrong_start_is_refused_with_the_field(farms, caller, body, status, code, field):
    refused = await answered(await (await caller("ada")).put(FARM, json=body), status)
    assert (refused["code"], [error["field"] for error in refused["errors"]]) == (code, [field])


@pytest.mark.parametrize("name", ["form", ".", "a%2Fb", "%00", "x" * 64])
async def test_a_name_that_no_spawn_can_have_is_refused(farms, caller, name):
    refused = await answered(await (await caller("ada")).put(f"{FARMS}/{name}", json=START), 422)
    assert refused["code"] == "name_invalid"


async def test_the_form_of_a_kind_is_its_own(farms, caller):
    ada = await caller("ada")
    schema = await answered(await ada.get(f"{FARMS}/form"))
    assert [choice["const"] for choice in schema["properties"]["engine"]["oneOf"]] == ["fast", "broken"]
    assert "size" not in schema["properties"]
    page = await ada.get(f"{FARMS}/form", headers={"Accept": "text/html"})
    assert ('name="engine"' in await page.text(), page.content_type) == (True, "text/html")
    labs = await answered(await ada.get("/v1/users/ada/form"))
    assert "engine" not in labs["properties"]


ALLOWED = {
    "hub": {"start", "read", "scale", "stop", "list", "list all", "form", "events"},
    "admin": {"start", "read", "scale", "stop", "list", "list all", "form", "events"},
    "reader": {"read", "list", "list all", "form", "events"},
    "spawner": {"start", "scale", "stop", "form"},
    "deleter": {"stop"},
    "commissioner": set(),
    "ada": {"start", "read", "scale", "stop", "list", "form", "events"},
    "ada-lab": {"start", "read", "scale", "stop", "list", "form", "events"},
    "ada-reader": {"read", "list", "form", "events"},
    "bob": set(),
    "nobody": set(),
}


@pytest.mark.parametrize("who", ALLOWED)
async def test_a_token_opens_what_its_scopes_say(farms, caller, who):
    client, opened = await caller(who), set()
    for name, method, path, body in (
        ("start", "PUT", FARM, {}),
        ("read", "GET", FARM, None),
        ("scale", "POST", f"{FARM}/scale", {}),
        ("stop", "DELETE", FARM, None),
        ("list", "GET", FARMS, None),
        ("list all", "GET", "/v1/farms", None),
        ("form", "GET", f"{FARMS}/form", None),
        ("events", "GET", f"{FARM}/events", None),
    ):
        response = await client.request(method, path, json=body)
        if response.status != 403:
            opened.add(name)
    assert opened == ALLOWED[who]


async def test_the_audit_log_has_starts_scales_and_stops(farms, caller, logged):
    ada = await caller("ada")
    await running(ada)
    await ada.post(f"{FARM}/scale", json={"count": 1})
    await ada.delete(FARM, params={"wait": "60"})
    lines = [line for line in logged() if line["logger"] == "spawnpenny.audit"]
    assert [(line["event"], line["name"], line["who"]) for line in lines] == [
        (f"farm.{verb}", "f1", "token:ada") for verb in ("start", "scale", "stop")
    ]


async def test_the_starts_of_a_user_are_limited_over_all_kinds(farms, serving):
    farms.data["limits"] = {"starts": 1}
    async with serving(farms) as server, server.client("ada") as ada:
        await answered(await ada.put(FARM, json=START), 202)
        await answered(await ada.put(FARM, json=START))  # the same start
        refused = await answered(await ada.put(f"{FARMS}/f2", json={**START, "start": "s2"}), 429)
        assert refused["code"] == "too_many_requests"


async def test_the_kinds_of_the_service_are_listed_for_every_token(farms, caller):
    kinds = (await answered(await (await caller("ada-reader")).get("/v1/kinds")))["kinds"]
    assert [kind["name"] for kind in kinds] == ["lab", "farm"]
    farm = kinds[1]
    assert (farm["title"], farm["plural"], farm["name_field"], farm["available"]) == (
        "render farm",
        "farms",
        "name",
        True,
    )
    assert (farm["scales"], farm["minimum"], farm["completes"], farm["from_labs"]) == (True, 1, False, True)
    assert farm["maximum"] == 20
    assert (farm["path"], farm["form"]) == ("/v1/users/{user}/farms", "/v1/users/{user}/farms/form")
    assert (kinds[0]["form"], kinds[0]["from_labs"]) == ("/v1/users/{user}/form", False)


async def test_the_spawns_of_a_plugin_that_is_not_loaded_are_listed_and_can_be_stopped(farms, serving):
    async with serving(farms) as server, server.client("ada") as ada:
        await running(ada)
        await answered(await ada.put("/v1/users/ada/labs/~default", json={"start": "l1"}), 202)
        await ended(ada, "/v1/users/ada/labs/~default")
    farms.plugins = {}
    del farms.data["plugins"]["farm"]
    async with serving(farms) as server, server.client("ada") as ada, server.client("reader") as reader:
        assert (await answered(await ada.get(FARM), 404))["code"] == "route_not_found"
        first = await answered(await reader.get("/v1/spawns", params={"limit": "1"}))
        second = await answered(await reader.get("/v1/spawns", params={"limit": "1", "after": first["next"]}))
        both = first["spawns"] + second["spawns"]
        assert [(spawn["kind"], spawn["name"], spawn["phase"], spawn["loaded"]) for spawn in both] == [
            ("farm", "f1", "running", False),
            ("lab", "~default", "running", True),
        ]
        assert second["next"] is None
        of_ada = await answered(await ada.get("/v1/users/ada/spawns", params={"kind": "farm"}))
        assert of_ada == {"spawns": first["spawns"]}
        path = "/v1/users/ada/spawns/farm/f1"
        assert await answered(await ada.get(path)) == first["spawns"][0]
        assert "farm.master: done" in await ended(ada, path)
        assert (await ada.delete(path, params={"wait": "60"})).status == 204
        assert {name for name in await farms.objects("Pod") if "farm" in name} == set()
        gone = await answered(await ada.get(path), 404)
        assert (gone["code"], gone["detail"]) == ("spawn_not_found", "ada has no farm 'f1'.")
        assert await answered(await ada.get("/v1/users/ada/spawns/lab/~default"))


@pytest.mark.parametrize("path", ["user/x", "Farm/x", "farm/", f"farm/{'x' * 64}"])
async def test_the_path_of_a_spawn_of_any_kind_has_to_be_one(farms, caller, path):
    refused = await answered(await (await caller("ada")).get(f"/v1/users/ada/spawns/{path}"), 422)
    assert refused["code"] == "name_invalid"


async def test_gauges_count_spawns_and_workers_by_kind(farms, server, caller):
    ada = await caller("ada")
    await running(ada)
    await until_ready(server.service, farms, 3)
    lines = (await (await ada.get("/metrics")).text()).splitlines()
    for line in (
        'spawnpenny_recorded_spawns{kind="farm",phase="running"} 1.0',
        'spawnpenny_recorded_spawns{kind="farm",phase="failed"} 0.0',
        'spawnpenny_recorded_spawns{kind="lab",phase="running"} 0.0',
        'spawnpenny_workers{kind="farm",phase="running"} 2.0',
        'spawnpenny_workers{kind="farm",phase="pending"} 0.0',
        'spawnpenny_workers_desired{kind="farm"} 2.0',
        'spawnpenny_spawns_total{code="",kind="farm",outcome="running"} 1.0',
    ):
        assert line in lines


async def test_the_openapi_document_has_the_routes_of_the_kind(farms, caller):
    document = await answered(await (await caller()).get("/openapi.json"))
    paths, one = document["paths"], "/v1/users/{user}/farms/{name}"
    assert {path for path in paths if "farms" in path} == {
        *("/v1/farms", "/v1/users/{user}/farms", "/v1/users/{user}/farms/form"),
        *(one, f"{one}/events", f"{one}/scale", f"{one}/ticket"),
    }
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert paths[one]["put"]["summary"].startswith("Start a render farm.")
    assert "scale" in document["components"]["schemas"]["ScalableSpawnBody"]["properties"]
    assert "`farm_not_found`" in paths[one]["get"]["responses"]["404"]["description"]


async def test_the_quick_part_on_both_clusters(both, serving):
    async with serving(both) as server, server.client("ada") as ada:
        found = await running(ada)
        assert found["phase"] == "running", found
        assert (await answered(await ada.post(f"{FARM}/scale", json={"count": 1})))["ok"]
    async with serving(both) as server, server.client("ada") as ada:  # the service starts anew
        found = await answered(await ada.get(FARM))
        assert (found["phase"], found["scale"]["count"]) == ("running", 1)
        assert (await ada.delete(FARM, params={"wait": "60"})).status == 204
        assert await both.objects("Pod") == {}


@pytest.fixture(params=["embedded", "kube"])
def both(request):
    site = request.getfixturevalue(f"{request.param}_site")
    site.plugins = {"farm": FarmPlugin}
    site.data["plugins"]["farm"] = {}
    site.data["tokens"] = token_settings(SCOPES)
    return site

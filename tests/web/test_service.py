"""What the service says of itself, how it begins, and how it ends."""

from __future__ import annotations

import asyncio
import re
from importlib.metadata import entry_points

import pytest
from bs4 import BeautifulSoup
from marshmallow import ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator
from spawnpenny_dask.gateway.schemas import ClustersQuerySchema

from spawnpenny.api import Step, hookimpl
from spawnpenny.domain.names import NAME_PATTERN, check_username
from spawnpenny.domain.spawns import Key
from spawnpenny.errors import InvalidNameError, SpawnpennyError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.model import Settings
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.openapi.document import make_document
from spawnpenny.web.routes import routes

ALL = routes(load_plugins(Settings()))
"""With the standard plugins."""
LAB = "/v1/users/ada/labs/~default"


async def test_it_lives_and_is_ready(caller):
    anybody = await caller()
    assert (await anybody.get("/healthz")).status == 200
    assert (await anybody.get("/readyz")).status == 200


async def test_until_it_knows_the_cluster_it_says_so(server, hub):
    server.app[SERVICE].spawns.ready = False
    for path in ("/readyz", LAB):
        response = await hub.get(path)
        assert (response.status, response.headers["Retry-After"]) == (503, "2")
        assert (await response.json())["code"] == "not_ready"
    assert (await hub.get("/healthz")).status == 200


async def test_every_route_is_in_the_openapi_document(site, caller):
    document = await (await (await caller()).get("/openapi.json")).json()
    documented = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert documented == {(route.method, route.path) for route in routes(load_plugins(site.settings))}


async def test_the_openapi_document_describes_bodies_queries_and_scopes(caller):
    document = await (await (await caller()).get("/openapi.json")).json()
    start = document["paths"]["/v1/users/{user}/labs/{lab}"]["put"]
    assert start["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/LabBody")
    assert {parameter["name"] for parameter in start["parameters"]} == {"user", "lab", "replace"}
    assert start["x-scopes"] == {"any": ["spawn:any"], "own": ["spawn:self"]}
    assert {"200", "202", "401", "403", "409", "413", "422"} <= start["responses"].keys()


async def test_the_openapi_document_is_valid(caller):
    document = await (await (await caller()).get("/openapi.json")).json()
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_the_openapi_document_says_what_names_and_statuses_look_like():
    paths = make_document(ALL)["paths"]
    names = [
        parameter for path in paths.values() for operation in path.values() for parameter in operation["parameters"]
    ]
    for name in names:
        if name["in"] == "path":
            assert name["schema"]["pattern"] == NAME_PATTERN
    lists = paths["/gateway/api/v1/clusters/"]["get"]["parameters"]
    status = next(name["schema"]["pattern"] for name in lists if name["name"] == "status")
    for good in ("running", "Running,PENDING", "failed , stopped"):
        assert re.search(status, good)
        ClustersQuerySchema().load({"status": good})
    for wrong in ("", "run", "running,", "running;failed"):
        assert not re.search(status, wrong)
        with pytest.raises(ValidationError):
            ClustersQuerySchema().load({"status": wrong})


@pytest.mark.parametrize("name", [".", "..", "...", "~default", "ada@example.org", "Émile", "a b", "a/b", ""])
def test_the_pattern_of_names_says_which_may_be_used(name):
    assert bool(re.search(NAME_PATTERN, name)) == usable(name)


def test_the_pattern_of_names_has_the_characters_that_none_may_hold():
    for code in (entry for entry in range(0x10000) if not 0xD800 <= entry < 0xE000):
        assert bool(re.search(NAME_PATTERN, f"a{chr(code)}b")) == usable(f"a{chr(code)}b"), hex(code)


def usable(name):
    try:
        return bool(check_username(name))
    except InvalidNameError:
        return False


def refusals():
    for route in ALL:
        document = make_document([route])["paths"][route.path][route.method.lower()]
        for status, response in document["responses"].items():
            if int(status) >= 400:
                yield from ((route.name, int(status), code) for code in re.findall(r"`(\w+)`", response["description"]))


def coded(base=SpawnpennyError):
    yield base.code, base.status
    for subclass in base.__subclasses__():
        yield from coded(subclass)


def test_each_refusal_in_the_openapi_document_is_one_that_there_is():
    for plugin in entry_points(group="spawnpenny"):  # plugins have refusals of their own
        plugin.load()
    known = set(coded())
    assert [refusal for refusal in refusals() if (refusal[2], refusal[1]) not in known] == []
    assert {("lab.start", 422, "option_unknown"), ("lab.start", 422, "option_invalid")} <= set(refusals())


@pytest.fixture
def with_certificates(site):
    site.data["plugins"]["lab"]["internal_ssl"] = True


async def test_head_answers_wherever_get_does_and_brings_no_body(with_certificates, hub, caller):
    await hub.put(LAB, json={"start": "s", "options": {"image": "slow"}})
    await hub.put("/v1/users/ada", json={"uid": 1234})
    admin = await caller("admin")
    for route in routes():  # plugins/dask/tests has those of Dask clusters
        if route.method == "GET":
            path = route.path.format(user="ada", lab="~default", kind="lab", name="~default")
            response = await admin.head(path, allow_redirects=False)
            assert (response.status, await response.read()) == (302 if path in {"/", "/docs/"} else 200, b""), path


async def test_who_comes_without_a_path_is_led_to_the_docs(caller):
    anybody = await caller()
    for path in ("/", "/docs/"):
        response = await anybody.get(path)
        assert await response.read()
        assert (response.status, response.url.path) == (200, "/docs")


async def test_the_docs_need_nothing_from_elsewhere(caller):
    anybody = await caller()
    page = await anybody.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy.pop("img-src") == "'self' data:"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert policy["default-src"] == "'none'"
    soup = BeautifulSoup(await page.text(), "html.parser")
    assert [script for script in soup("script") if script.string or not script["src"]] == []
    assert [tag for tag in soup(True) if {name for name in tag.attrs if name.startswith("on") or name == "style"}] == []
    links = [tag.get("href") or tag["src"] for tag in soup(["link", "script"])]
    assert {"docs/swagger-ui-bundle.js", "docs/swagger-ui.css"} <= set(links)
    for link in links:
        if link != "data:,":
            answer = await anybody.get(f"/{link}")
            assert await answer.read()
            assert answer.content_type == ("text/css" if link.endswith("css") else "text/javascript"), link


async def test_the_document_says_in_plain_words_which_scopes_a_route_needs(caller):
    document = await (await (await caller()).get("/openapi.json")).json()
    operation = document["paths"]["/v1/users/{user}/labs/{lab}"]["put"]
    assert operation["description"] == "Needs the scope `spawn:any`. For the token's own user, `spawn:self` is enough."
    assert [entry for path in document["paths"].values() for entry in path.values() if "`" in entry["summary"]] == []


async def test_the_pipelines_are_reported_with_their_reasons(caller):
    answer = await (await (await caller("admin")).get("/v1/pipelines")).json()
    lab = next(pipeline for pipeline in answer["pipelines"] if pipeline["kind"] == "lab")
    assert ["network", "quota", "user.files"] in lab["waves"]
    pod = lab["steps"][-1]
    assert (pod["name"], pod["plugin"]) == ("lab.pod", "lab")
    assert "needs lab.secret" in pod["why"]


async def test_the_plugins_are_reported_with_where_they_are_from(caller):
    answer = await (await (await caller("admin")).get("/v1/plugins")).json()
    quota = next(plugin for plugin in answer["plugins"] if plugin["name"] == "quota")
    assert (quota["distribution"], quota["loaded"], quota["steps"]) == ("spawnpenny-quota", True, ["quota"])


async def test_a_shutdown_ends_streams_at_once_and_leaves_the_spawn_to_be_resumed(site, serving):
    async with serving(site) as server:
        client = server.client("hub")
        await client.put(LAB, json={"start": "s", "options": {"image": "slow"}})
        stream = await client.get(f"{LAB}/events")
        await stream.content.readline()
        waiting = asyncio.create_task(stream.content.read())
    assert (await waiting).endswith(b"\r\n\r\n")  # not cut off
    await client.close()
    async with serving(site) as server:
        run = server.app[SERVICE].spawns.find("ada", Key("lab", "~default"))
        assert (run.record.request.start, run.record.phase) == ("s", "pending")


class HangUp(Step):
    """Breaks the caller's connection while its request is being accepted."""

    name = "hang-up"
    kinds = frozenset({"lab"})
    scope = "user"

    def check(self, spawn):
        self.writer.transport.abort()

    async def apply(self, spawn):
        self.applied.set()


class HangUpPlugin:
    def __init__(self):
        self.step = HangUp()
        self.step.applied = asyncio.Event()

    @hookimpl
    def spawnpenny_steps(self, settings):
        return [self.step]


@pytest.fixture
def hang_up(site):
    site.plugins = {"hang-up": (plugin := HangUpPlugin())}
    return plugin.step


async def test_a_start_goes_on_when_its_caller_hangs_up(hang_up, server):
    _, hang_up.writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = b'{"start": "s"}'
    head = f"PUT {LAB} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hub-token\r\nContent-Length: {len(body)}\r\n\r\n"
    hang_up.writer.write(head.encode() + body)
    await asyncio.wait_for(hang_up.applied.wait(), PATIENCE)
    assert server.app[SERVICE].spawns.find("ada", Key("lab", "~default")) is not None


async def test_a_token_can_ask_whose_it_is(caller):
    answer = await (await (await caller("ada")).get("/v1/whoami")).json()
    assert answer == {"name": "token:ada", "username": "ada", "scopes": ["spawn:self"]}
    assert (await (await caller("nobody")).get("/v1/whoami")).status == 403
    assert (await (await caller()).get("/v1/whoami")).status == 401

"""Routes of a site's plugin: with all that ours have, for its own kinds alone, and never in place of another's."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from aiohttp import web
from marshmallow import fields
from openapi_spec_validator import OpenAPIV31SpecValidator

from spawnpenny.api import (
    Key,
    Kind,
    Phase,
    SpawnError,
    SpawnpennyError,
    Step,
    allow,
    hardened_container,
    hookimpl,
)
from spawnpenny.api.http import (
    BODY_REFUSED,
    CHANGE_REFUSED,
    OWN_SPAWNS,
    PUBLIC,
    READ,
    READ_ALL,
    SPAWN,
    STOP,
    Access,
    Answer,
    BodySchema,
    Dialect,
    EventsQuerySchema,
    NoQuerySchema,
    PageQuerySchema,
    PluginGauge,
    Route,
    SpawnRequest,
    SpawnView,
    body_of,
    identity_of,
    query_of,
)
from spawnpenny.errors import PluginError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.testing.ports import free_ports
from spawnpenny.testing.site import settled, start
from spawnpenny.web.routes import routes

KITES = "/v1/users/ada/kites"
KITE = f"{KITES}/k1"
KITES_KIND = Kind("kite", "kites", "kite")
SECRET = "s3cr3t-of-the-kite"


class Fly(Step):
    name = "kite.fly"
    kinds = frozenset({"kite"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    def secrets(self, spawn):
        return {"string": SECRET}

    async def apply(self, spawn):
        container = {"name": "kite", "image": "spawnpenny/lab", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
        meta = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": spawn.names.base}}
        security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        hardened = hardened_container(container, of_pod=security, allowed=frozenset())
        spec = {"containers": [hardened], "securityContext": security, "terminationGracePeriodSeconds": 0}
        spec |= {"automountServiceAccountToken": False}
        pod = await spawn.cluster.wait(await spawn.cluster.ensure(spawn.patched({**meta, "spec": spec})))
        spawn.publish_url(url="kite://up", pod=pod["metadata"]["uid"])

    async def revert(self, spawn):
        await spawn.cluster.discard("Pod", spawn.names.base)


class NoKiteError(SpawnpennyError):
    code = "kite_not_found"
    status = 404
    title = "There is no such kite"


@dataclass(frozen=True, slots=True)
class StartOfKite:
    start: str


class StartOfKiteBody(BodySchema[StartOfKite]):
    model: ClassVar[type] = StartOfKite
    example: ClassVar[dict[str, Any]] = {"start": "s1"}
    start = fields.String(required=True)


class Handlers:
    """The handlers of kites; what they reach the service by is what the hook gets."""

    def __init__(self, spawns):
        self.spawns = spawns

    def key(self, request):
        return Key("kite", request.match_info["kite"])

    def found(self, request):
        spawn = self.spawns.find(request, self.key(request))
        if spawn is None:
            raise NoKiteError("There is no such kite.")
        return spawn

    async def fly(self, request):
        body = await body_of(request, StartOfKiteBody())
        started = await self.spawns.start(request, self.key(request), SpawnRequest(body.start))
        return web.json_response(started.spawn.view(), status=202 if started.new else 200)

    async def get(self, request):
        query_of(request, NoQuerySchema)
        return web.json_response({**self.found(request).view(), "caller": identity_of(request).name})

    async def land(self, request):
        return await self.spawns.answer_stop(
            request, await self.spawns.stop(request, self.key(request)), 30, lambda spawn: spawn.view()
        )

    async def of_user(self, request):
        return web.json_response({"kites": [spawn.key.name for spawn in self.spawns.list_of_user(request, "kite")]})

    async def all(self, request):
        query = query_of(request, PageQuerySchema())
        page = await self.spawns.list_all(
            request, "kite", query, where=lambda phase, _: phase in {Phase.RUNNING, Phase.FAILED}
        )
        return web.json_response({"kites": [spawn.username for spawn in page.spawns], "next": page.next})

    async def events(self, request):
        return await self.spawns.answer_events(request, self.found(request), query_of(request, EventsQuerySchema()))

    async def fault(self, request):
        spawn = self.found(request)
        match request.match_info["fault"]:
            case "raises":
                raise ValueError(f"the string is {spawn.secrets['string']}")
            case "quotes":
                raise SpawnError(f"torn: {spawn.secrets['string']}", advice=f"not {SECRET}", at=[{"a": SECRET}])
            case "token":
                raise NoKiteError(f"{request.headers['Authorization']} opens nothing")
            case "text":
                return web.Response(status=404, text="nothing here")
            case other:
                return await self.reach_for(request, other)

    async def reach_for(self, request, fault):
        lab = Key("lab", "~default")
        match fault:
            case "foreign":
                self.spawns.find(request, lab)
            case "foreign-start":
                await self.spawns.start(request, lab, SpawnRequest("s1"))
            case "foreign-scale":
                await self.spawns.scale(request, lab, lambda scale: scale)
            case "foreign-stop":
                await self.spawns.stop(request, lab)
            case "foreign-list":
                await self.spawns.list_all(request, "lab", PageQuerySchema().load({}))
            case "foreign-user":
                self.spawns.list_of_user(request, "lab")


def kite_routes(handlers, base="/v1/users/{user}/kites"):
    one, view = f"{base}/{{kite}}", Answer("The kite.", SpawnView)
    absent = {404: ("kite_not_found",)}
    starting = {"body": StartOfKiteBody, "refusals": {**BODY_REFUSED, **CHANGE_REFUSED}}
    stopped = {202: view, 204: Answer("Gone.")}
    streamed = {200: Answer("The events.", "text/event-stream")}
    names = {200: Answer("The names.", "application/json")}
    return [
        Route("PUT", one, handlers.fly, SPAWN, "kite.fly", "Fly a kite.", {202: view, 200: view}, **starting),
        Route("GET", one, handlers.get, READ, "kite.get", "Read a kite.", {200: view}, refusals=absent),
        Route("DELETE", one, handlers.land, STOP, "kite.land", "Land a kite.", stopped, refusals=CHANGE_REFUSED),
        Route(
            "GET",
            f"{one}/news",
            handlers.events,
            READ,
            "kite.news",
            "Follow a kite.",
            streamed,
            query=EventsQuerySchema,
        ),
        Route("GET", base, handlers.of_user, READ, "kite.list", "List kites.", names),
        Route("GET", "/v1/sky", handlers.all, READ_ALL, "kite.sky", "List all kites.", names, query=PageQuerySchema),
        Route("GET", f"{one}/fault/{{fault}}", handlers.fault, READ, "kite.fault", "Fail.", {200: view}),
    ]


def plugin(contribute, *, kinds=(KITES_KIND,), steps=()):
    return SimpleNamespace(
        spawnpenny_kinds=hookimpl(lambda: list(kinds), specname="spawnpenny_kinds"),
        spawnpenny_steps=hookimpl(lambda: list(steps), specname="spawnpenny_steps"),
        spawnpenny_routes=hookimpl(contribute, specname="spawnpenny_routes"),
    )


@pytest.fixture
def site(site):
    site.plugins = {"kites": plugin(lambda spawns: kite_routes(Handlers(spawns)), steps=[Fly()])}
    return site


async def fly(client, path=KITE):
    answer = await client.put(path, json={"start": "s1"})
    assert answer.status == 202, await answer.text()


async def test_a_kind_of_a_plugin_is_started_read_followed_and_stopped_by_its_own_routes(caller):
    ada = await caller("ada")
    await fly(ada)
    assert (await ada.put(KITE, json={"start": "s1"})).status == 200
    events = await (await ada.get(f"{KITE}/news")).text()
    assert '"phase": "running"' in events
    kite = await (await ada.get(KITE)).json()
    assert (kite["phase"], kite["url"], kite["user"], kite["caller"]) == ("running", "kite://up", "ada", "token:ada")
    assert await (await ada.get(KITES)).json() == {"kites": ["k1"]}
    assert (await ada.head(KITE)).status == 200
    assert (await ada.delete(KITE)).status == 204
    gone = await ada.get(KITE)
    problem = await gone.json()
    assert (gone.status, problem["code"], problem["instance"]) == (404, "kite_not_found", KITE)


async def test_a_route_of_a_plugin_is_authorized_limited_and_parsed_as_ours(caller):
    ada, bob, reader, nobody = [await caller(name) for name in ("ada", "bob", "reader", None)]
    await fly(ada)
    assert (await nobody.get(KITE)).status == 401
    assert [(await client.get(KITE)).status for client in (ada, bob, reader)] == [200, 403, 200]
    assert (await reader.put(KITE, json={"start": "s1"})).status == 403
    assert [(await client.get("/v1/sky")).status for client in (ada, reader)] == [403, 200]
    assert (await ada.get(f"{KITE}?colour=red")).status == 422
    assert (await (await ada.put(KITE, data="{")).json())["code"] == "body_malformed"
    assert (await (await ada.put(KITE, json={"stat": "s1"})).json())["code"] == "request_invalid"
    assert (await ada.post(KITE)).status == 405
    assert (await ada.put("/v1/users/ada/kites/k2", json={"start": "x" * 200_000})).status in {413, 422}


async def test_starts_by_a_route_of_a_plugin_count_against_the_limit_of_the_user(site, serving):
    site.data["limits"] = {"starts": 2}
    async with serving(site) as server, server.client("ada") as ada:
        answers = [await ada.put(f"{KITES}/{name}", json={"start": "s1"}) for name in ("k1", "k2", "k3", "k1")]
        assert [answer.status for answer in answers] == [202, 202, 429, 200]
        assert (await answers[2].json())["code"] == "too_many_requests"


async def test_all_spawns_of_the_kind_are_listed_in_pages(caller):
    ada, bob, reader = [await caller(name) for name in ("ada", "bob", "reader")]
    for client, user in ((ada, "ada"), (bob, "bob")):
        await fly(client, f"/v1/users/{user}/kites/k1")
        await (await client.get(f"/v1/users/{user}/kites/k1/news")).text()
    first = await (await reader.get("/v1/sky?limit=1")).json()
    assert first == {"kites": ["ada"], "next": "ada/k1"}
    assert await (await reader.get("/v1/sky", params={"after": first["next"]})).json() == {
        "kites": ["bob"],
        "next": None,
    }


async def test_a_change_by_a_route_of_a_plugin_is_in_the_audit_log_and_in_the_metrics(caller, logged):
    ada = await caller("ada")
    await fly(ada)
    (line,) = [line for line in logged() if line.get("logger") == "spawnpenny.audit" or line["event"] == "kite.fly"]
    assert (line["event"], line["who"], line["user"], line["kite"], line["status"]) == (
        *("kite.fly", "token:ada", "ada", "k1"),
        202,
    )
    assert line["spawn"]
    metrics = await (await ada.get("/metrics")).text()
    assert 'route="kite.fly"' in metrics


async def test_the_openapi_document_has_the_routes_of_plugins(caller):
    document = await (await (await caller()).get("/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    operation = document["paths"]["/v1/users/{user}/kites/{kite}"]["put"]
    assert operation["operationId"] == "kite.fly"
    assert operation["x-scopes"] == {"any": ["spawn:any"], "own": ["spawn:self"]}
    assert {parameter["name"] for parameter in operation["parameters"]} == {"user", "kite"}
    assert "`cluster_error`" in operation["responses"]["502"]["description"]


@pytest.mark.parametrize(
    "fault",
    ["raises", "none", "text", *(f"foreign{call}" for call in ("", "-start", "-scale", "-stop", "-list", "-user"))],
)
async def test_a_handler_that_fails_is_an_internal_error_without_its_text(caller, logged, fault):
    ada = await caller("ada")
    await fly(ada)
    answer = await ada.get(f"{KITE}/fault/{fault}")
    problem = await answer.json()
    assert (answer.status, problem["detail"][:34]) == (500, "An internal error occurred in spaw")
    assert answer.content_type == "application/problem+json"
    said = json.dumps(logged())
    assert "kites" in said
    assert SECRET not in said + json.dumps(problem)
    if fault.startswith("foreign"):
        assert "which the plugin does not declare" in said


@pytest.mark.parametrize(("fault", "status"), [("quotes", 502), ("token", 404)])
async def test_an_error_of_a_plugin_quotes_no_secret(caller, logged, fault, status):
    ada = await caller("ada")
    await fly(ada)
    answer = await ada.get(f"{KITE}/fault/{fault}")
    assert answer.status == status
    said = await answer.text() + json.dumps(logged())
    assert "[secret]" in said
    assert SECRET not in said
    assert "ada-token" not in said


async def test_a_route_about_a_user_is_answered_by_the_replica_of_that_user(site, serving):
    def replica(name, port):
        web, replicas = site.settings.web, site.settings.replicas
        address = f"http://127.0.0.1:{port}"
        return replace(
            site.settings,
            web=replace(web, host="127.0.0.1", port=port),
            replicas=replace(replicas, name=name, address=address),
        )

    one, other = free_ports(2)
    async with (
        serving(site, port=one, settings=replica("one", one)) as first,
        serving(site, port=other, settings=replica("other", other)) as second,
        first.client("ada") as here,
        second.client("ada") as elsewhere,
    ):
        await fly(here)
        await (await elsewhere.get(f"{KITE}/news")).text()
        kite = await (await elsewhere.get(KITE)).json()
        assert (kite["phase"], kite["user"]) == ("running", "ada")
        assert first.service.spawns.find("ada", Key("kite", "k1")) is not None
        assert (await elsewhere.delete(KITE)).status == 204
        assert (await here.get(KITE)).status == 404


async def test_without_the_plugin_its_routes_are_gone(site, serving):
    site.plugins = {}
    async with serving(site) as server, server.client("ada") as ada:
        answer = await ada.get(KITE)
        assert (answer.status, (await answer.json())["code"]) == (404, "route_not_found")


async def handler(request):
    del request
    return web.Response()


def simple(path="/v1/mine", method="GET", **changed):
    answers = {200: Answer("Good.")}
    made = Route(method, path, handler, PUBLIC, "kites.simple", "A summary.", answers)
    return replace(made, **changed)


def refusal(**contributed):
    plugins = {
        name: plugin(lambda spawns, found=found: found, kinds=()) if isinstance(found, list) else found
        for name, found in contributed.items()
    }
    with pytest.raises(PluginError) as refused:
        routes(load_plugins(make_settings({"plugins": {"namespace": {}, "lab": {}}}), extra=plugins))
    return refused.value.message


@pytest.mark.parametrize(
    "path",
    [
        "/v1/users/{user}/labs/{lab}",
        "/v1/users/{user}/labs/{name}",
        "/v1/users/ada/labs/{x}",
        "/v1/users/{user}/{plural}/{name}",
        "/v1/users/{user}/labs/mine",
        "/v1/{what}",
        "/{anything}",
        "/{a}/{b}",
        "/healthz",
        "/docs/",
        "/v1/labs",
        "/v1/users/{someone}",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_no_route_takes_a_path_of_ours(path, method):
    message = refusal(kites=[simple(path, method)])
    assert message.startswith(f"The plugin 'kites' has a route {method} {path}, but spawnpenny itself has ")
    assert message.endswith("A path has one owner: change it.")


def test_two_plugins_do_not_share_a_path_or_a_name():
    one, other = simple("/v1/mine/{x}"), simple("/v1/mine/yours", name="others.simple")
    message = refusal(kites=[one], others=[other])
    assert "The plugin 'others' has a route GET /v1/mine/yours, but the plugin 'kites' has GET /v1/mine/{x}" in message
    message = refusal(kites=[simple(), simple("/v1/more")])
    assert "has a route with the name 'kites.simple', and the plugin 'kites' has GET /v1/mine" in message
    message = refusal(kites=[simple(), simple(name="kites.other")])
    assert "but the plugin 'kites' has GET /v1/mine (kites.simple)" in message


class Plain(NoQuerySchema):
    """A query, and no body."""


async def unusual(request, more):
    """Take too much."""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "BREW"}, "has the method 'BREW': write one of GET"),
        ({"path": "v1/mine"}, "has a wrong path"),
        ({"path": "/v1/{x:.*}"}, "has a wrong path"),
        ({"path": "/v1/mine/../labs"}, "has a wrong path"),
        ({"path": "/v1/."}, "has a wrong path"),
        ({"path": "/v1//mine"}, "has a wrong path"),
        ({"path": "/v1/mi ne"}, "has a wrong path"),
        ({"path": "/v1/%6cabs"}, "has a wrong path"),
        ({"path": None}, "has a wrong path"),
        ({"path": "/v1/mine/{x}/{x}"}, "has two parts of one name"),
        ({"name": "lab.start"}, "has the name 'lab.start': begin with kites."),
        ({"name": "kites"}, "begin with kites."),
        ({"name": "kites.Fly"}, "begin with kites."),
        ({"name": "user.kites"}, "begin with kites."),
        ({"summary": " "}, "has no summary"),
        ({"handler": lambda request: web.Response()}, "has a handler that is not `async def`."),
        ({"handler": "get"}, "has a handler that is not `async def`."),
        ({"access": "public"}, "has no access"),
        ({"access": READ}, "opens to scopes for the caller's own user, but has no part {user} in its path."),
        ({"answers": {}}, "has no answers"),
        ({"answers": [200]}, "has no answers"),
        ({"answers": {200: "Good."}}, "has a wrong answer 200"),
        ({"answers": {"200": Answer("Good.")}}, "has a wrong answer '200'"),
        ({"answers": {200: Answer("Good.", {"a": 1})}}, "neither a Schema nor a media type"),
        ({"refusals": {404: "kite_not_found"}}, "has a wrong refusal 404"),
        ({"refusals": {200: ("fine",)}}, "has a wrong refusal 200"),
        ({"refusals": {404: ("Kite not found",)}}, "has the refusal 'Kite not found'"),
        (
            {"refusals": {404: ("quota_exceeded",)}},
            "has the refusal 'quota_exceeded' with the HTTP status 404; its status",
        ),
        ({"query": SpawnView}, "has a query that is not a subclass of QuerySchema."),
        ({"query": Plain()}, "has a query that is not a subclass of QuerySchema."),
        ({"body": Plain}, "has a body that is not a subclass of BodySchema."),
        ({"body": BodySchema}, "has a body without an example."),
    ],
)
def test_a_wrong_route_is_refused_when_plugins_are_loaded(changed, message):
    refused = refusal(kites=[simple(**changed)])
    assert "of the plugin 'kites' " in refused
    assert message in refused


def test_an_unknown_scope_is_refused_with_the_plugin():
    def contribute():
        return [simple(access=Access(frozenset({"fly:any"})))]

    assert "spawnpenny_routes of the plugin 'kites' failed: ValueError: unknown scopes: fly:any" in refusal(
        kites=plugin(contribute)
    )


def test_a_hook_that_returns_something_else_is_refused():
    assert "has to return a list of Route objects" in refusal(kites=[{"path": "/v1/mine"}])
    assert "has to return a list of Route objects" in refusal(kites=plugin(lambda: "/v1/mine", kinds=()))


async def test_a_spawn_of_a_kind_without_steps_is_not_started(site, serving):
    site.plugins = {"kites": plugin(lambda spawns: kite_routes(Handlers(spawns)))}
    async with serving(site) as server, server.client("ada") as ada:
        answer = await ada.put(KITE, json={"start": "s1"})
        assert (answer.status, (await answer.json())["detail"]) == (
            422,
            "The plugins here start no kite: no step makes its objects.",
        )


async def test_a_plugin_does_not_see_the_pods_of_other_kinds(site, serving):
    seen = {}

    def contribute(spawns):
        async def pods(request):
            with spawns.subscribe(request) as changes:
                seen["changes"] = changes
            return web.json_response(list(spawns.pods(request)))

        answers = {200: Answer("The ids.", "application/json")}
        return [Route("GET", "/v1/users/{user}/pods", pods, READ, "kite.pods", "List pods.", answers)]

    site.plugins = {"kites": plugin(contribute, steps=[Fly()])}
    async with serving(site) as server, server.client("ada") as ada:
        await settled(await start(server.service))
        assert len(server.service.service_context.pods.items()) == 1
        assert await (await ada.get("/v1/users/ada/pods")).json() == []


async def test_without_the_plugin_dask_no_route_of_dask_clusters_is_left(site, serving):
    site.plugins = {}
    async with serving(site) as server, server.client("ada") as ada:
        for path in (
            "/gateway/api/v1/clusters/",
            "/gateway/api/health",
            "/gateway/x",
            "/v1/users/ada/dask",
            "/v1/dask",
        ):
            answer = await ada.get(path)
            problem = await answer.json()
            assert (answer.status, answer.content_type, problem["code"]) == (
                *(404, "application/problem+json"),
                "route_not_found",
            )
        document = await (await ada.get("/openapi.json")).json()
        assert not [path for path in document["paths"] if "dask" in path or "gateway" in path]
        assert set(document["components"]["securitySchemes"]) == {"token"}
        assert "spawnpenny_dask" not in await (await ada.get("/metrics")).text()


class Morse(Dialect):
    """A protocol of its own: its refusals, one more scheme of credentials."""

    name = "morse"
    prefix = "/morse"
    schemes = frozenset({"morse"})

    def refusal(self, status, code, message, *, request_id, advice):
        return 418, {"dots": code, "dashes": message}


def morse_routes(path="/morse/tap", dialect=None, **changed):
    async def tap(request):
        return web.json_response({"who": identity_of(request).username})

    answers = {200: Answer("Who taps.", "application/json")}
    access = changed.pop("access", OWN_SPAWNS)
    return [Route("GET", path, tap, access, "morse.tap", "Tap.", answers, dialect=dialect or Morse(), **changed)]


async def test_a_foreign_protocol_words_the_refusals_of_all_paths_under_its_prefix(site, serving):
    site.plugins = {"morse": plugin(lambda spawns: morse_routes(), kinds=())}
    async with serving(site) as server, server.client() as anybody:
        for path in ("/morse/tap", "/morse", "/morse/no/such"):
            answer = await anybody.get(path)
            assert (answer.status, answer.content_type) == (418, "application/json")
            assert set(await answer.json()) == {"dots", "dashes"}
        own = await anybody.get("/morse/tap", headers={"Authorization": "Morse ada-token"})
        assert await own.json() == {"who": "ada"}
        for path in ("/v1/labs", "/morsel"):
            answer = await anybody.get(path, headers={"Authorization": "Morse hub-token"})
            assert (answer.status in {401, 404}, answer.content_type) == (True, "application/problem+json")


@pytest.mark.parametrize(
    ("contributed", "message"),
    [
        (morse_routes("/v1/morse"), "has the protocol 'morse' under /morse: the path /v1/morse is outside of it."),
        ([*morse_routes(), simple("/morse/other")], "under /morse, but there the plugin 'morse' has GET /morse/other"),
        (morse_routes(dialect=Dialect()), "has a dialect that is no Dialect with a name and a prefix"),
        (morse_routes(dialect="morse"), "has a dialect that is no Dialect"),
    ],
)
def test_a_foreign_protocol_has_its_prefix_for_itself(contributed, message):
    named = [replace(route, name=f"morse.{route.name.partition('.')[2]}") for route in contributed]
    assert message in refusal(morse=named)


def test_a_foreign_protocol_cannot_have_the_prefix_of_another_owner():
    class Taker(Morse):
        prefix = "/v1"

    assert "has a dialect that is no Dialect" in refusal(morse=morse_routes("/v1/tap", Taker()))

    class Docs(Morse):
        prefix = "/docs"

    message = refusal(morse=morse_routes("/docs/tap", Docs()))
    assert "has the protocol 'morse' under /docs, but there spawnpenny itself has GET /docs" in message


@pytest.mark.parametrize(
    "path", ["/v1/users/{user}/kites/red", "/v1/users/{user}/kites/red/events", "/v1/users/ada/kites/{kite}"]
)
def test_a_route_that_no_request_reaches_is_refused(path):
    def contribute():
        return [simple(path, name="kite.red")]

    message = refusal(kites=plugin(contribute))
    assert f"has a route GET {path}, but the plugin 'kites' has GET /v1/users/{{user}}/kites/{{name}}" in message
    assert message.endswith("no request reaches it. Change its path.")


async def test_a_plugin_replaces_one_generic_route_of_its_kind_and_the_others_stay(site, serving):
    async def form(request):
        return web.json_response({"colours": 7})

    route = Route(
        *("GET", f"{KITES.replace('ada', '{user}')}/form", form, READ, "kite.form", "The form."),
        {200: Answer("The form.", "application/json")},
    )
    site.plugins = {"kites": plugin(lambda: [route], steps=[Fly()])}
    async with serving(site) as server, server.client("ada") as ada:
        assert await (await ada.get(f"{KITES}/form")).json() == {"colours": 7}
        assert (await (await ada.get(KITE)).json())["code"] == "kite_not_found"


def test_a_kind_does_not_take_the_paths_of_labs_where_no_plugin_has_labs():
    desktops = plugin(lambda spawns: [], kinds=[Kind("desktop", "labs", "desktop")])
    with pytest.raises(PluginError) as refused:
        routes(load_plugins(make_settings({"plugins": {"namespace": {}}}), extra={"desktops": desktops}))
    assert refused.value.message.startswith("A kind of the plugin 'desktops' has the route ")
    assert refused.value.message.endswith("Change the plural of the kind.")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ["spawnpenny_kite_wrong"]},
        {"name": "spawnpenny_kite_wrong\n"},
        {"text": None},
        {"value": "many"},
        {"value": None},
        {"value": 10**400},
        {"value": {"red": "two"}, "label": "colour"},
        {"value": {7: 2}, "label": "colour"},
        {"value": {"red": 2}},
        {"value": {"red": 2}, "label": "the colour"},
    ],
)
async def test_a_wrong_gauge_of_a_plugin_costs_no_other_metric(site, serving, logged, wrong):
    good = PluginGauge("spawnpenny_kite_good", "Good.", 1)
    site.plugins["kites"].spawnpenny_gauges = hookimpl(
        lambda: [replace(good, **{"name": "spawnpenny_kite_wrong", **wrong}), good], specname="spawnpenny_gauges"
    )
    async with serving(site) as server, server.client() as anybody:
        answer = await anybody.get("/metrics")
        text = await answer.text()
    assert (answer.status, "wrong" in text) == (200, False)
    assert "spawnpenny_kite_good 1.0" in text
    assert "spawnpenny_labs" in text
    assert "a gauge of a plugin is left out" in [line["event"] for line in logged()]


async def test_a_gauge_of_a_plugin_does_not_double_one_of_ours(site, serving):
    gauge = PluginGauge("spawnpenny_workers_desired", "Not ours.", 999)
    contributed = hookimpl(lambda: [gauge], specname="spawnpenny_gauges")
    site.plugins = {"workers": SimpleNamespace(spawnpenny_gauges=contributed)}
    async with serving(site) as server, server.client() as anybody:
        text = await (await anybody.get("/metrics")).text()
    assert text.count("# TYPE spawnpenny_workers_desired gauge") == 1
    assert " 999.0" not in text


async def test_gauges_of_a_plugin_are_exported_and_wrong_ones_harm_no_other(site, serving, logged):
    def kites(spawns):
        flying = sum(len(found) for _, found in spawns.of_users())
        yield PluginGauge("spawnpenny_kite_flying", "Kites that fly.", flying)
        yield PluginGauge("spawnpenny_kites_colours", "Kites by colour.", {"red": 2, "blue": 1}, "colour")
        yield PluginGauge("spawnpenny_labs", "What is not ours.", 999)
        yield "spawnpenny_kite_text"

    def broken(spawns):
        yield PluginGauge("spawnpenny_broken_first", "Half of it.", 1)
        raise ValueError("no wind")

    site.plugins["kites"].spawnpenny_gauges = hookimpl(kites, specname="spawnpenny_gauges")
    site.plugins["broken"] = SimpleNamespace(spawnpenny_gauges=hookimpl(broken, specname="spawnpenny_gauges"))
    async with serving(site) as server, server.client("ada") as ada:
        await fly(ada)
        text = await (await ada.get("/metrics")).text()
    assert "spawnpenny_kite_flying 1.0" in text
    assert 'spawnpenny_kites_colours{colour="red"} 2.0' in text
    assert " 999.0" not in text
    assert "spawnpenny_broken_first" not in text
    events = {line["event"]: line["plugin"] for line in logged() if "gauge" in line["event"]}
    assert events == {"a gauge of a plugin is left out": "kites", "the gauges of a plugin failed": "broken"}

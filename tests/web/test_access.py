"""Who may do what: every scope against every route."""

from __future__ import annotations

import pytest

from spawnpenny.auth.identity import Credentials, Identity
from spawnpenny.auth.static_tokens import StaticTokens, hash_token
from spawnpenny.serving.expectations import UnknownExpectations
from spawnpenny.settings.load import make_settings
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.middleware.authorize import ADMIN, Access
from spawnpenny.web.routes import routes

LAB = "/v1/users/ada/labs/~default"
ROUTES = {
    "start": ("PUT", LAB, {"start": "s"}),
    "see": ("GET", LAB, None),
    "follow": ("GET", f"{LAB}/events", None),
    "list": ("GET", "/v1/users/ada/labs", None),
    "stop": ("DELETE", LAB, None),
    "list all": ("GET", "/v1/labs", None),
    "commission": ("PUT", "/v1/users/ada", {"uid": 1000}),
    "see user": ("GET", "/v1/users/ada", None),
    "follow user": ("GET", "/v1/users/ada/events", None),
    "pipelines": ("GET", "/v1/pipelines", None),
    "plugins": ("GET", "/v1/plugins", None),
}
SEEING = {"see", "follow", "list", "see user", "follow user"}
ALLOWED = {
    "hub": SEEING | {"start", "stop", "list all", "commission"},
    "admin": set(ROUTES),
    "reader": SEEING | {"list all"},
    "spawner": {"start", "stop"},
    "deleter": {"stop"},
    "commissioner": {"commission", "see user", "follow user"},
    "ada": SEEING | {"start", "stop"},
    "ada-lab": SEEING,
    "ada-reader": SEEING,
    "bob": set(),
    "nobody": set(),
}


@pytest.mark.parametrize("who", ALLOWED)
async def test_a_token_opens_what_its_scopes_say_and_nothing_else(caller, who):
    client = await caller(who)
    opened = set()
    for name, (method, path, body) in ROUTES.items():
        async with client.request(method, path, json=body) as response:  # some are streams, which nobody reads here
            if response.status != 403:
                opened.add(name)
            else:
                assert (await response.json())["code"] == "forbidden"
    assert opened == ALLOWED[who]


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/v1/plugins", "This needs the scope admin."),
        ("PUT", LAB, "This needs one of the scopes spawn:any, spawn:self (for your own user)."),
    ],
)
async def test_a_refusal_names_the_scopes_that_would_do(caller, method, path, message):
    response = await (await caller("nobody")).request(method, path)
    assert (await response.json())["detail"] == message


async def test_who_has_no_token_learns_nothing_of_what_exists(caller, hub):
    await hub.put(LAB, json={"start": "s"})
    stranger, answers = await caller(), []
    for path in (LAB, "/v1/users/eve/labs/~default"):
        response = await stranger.get(path)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        answer = await response.json()
        answers.append({key: answer[key] for key in answer.keys() - {"instance", "request_id"}})
    assert answers[0] == answers[1]


async def test_a_token_is_looked_at_before_names_and_bodies(caller):
    stranger = await caller()
    assert (await stranger.put("/v1/users/a%2Fb/labs/x", data=b"{" * 200_000)).status == 401


async def test_a_token_that_is_not_known_is_refused(caller):
    response = await (await caller("wrong")).get(LAB)
    assert (await response.json())["code"] == "unauthenticated"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "token"])
async def test_jupyters_own_way_to_send_a_token_is_known_too(caller, scheme):
    client = await caller()
    response = await client.get("/v1/labs", headers={"Authorization": f"{scheme} hub-token"})
    assert response.status == 200


async def test_every_route_of_the_router_has_an_access(server):
    declared = {(method, route.path) for route in routes(server.service.plugins) for method in route.methods}
    reached = [route for route in server.app.router.routes() if not isinstance(route.resource, UnknownExpectations)]
    assert {(route.method, route.resource.canonical) for route in reached} == declared


def test_an_access_has_to_say_who():
    with pytest.raises(ValueError, match="at least one scope"):
        Access()
    with pytest.raises(ValueError, match="unknown scopes"):
        Access(frozenset({"everything"}))


@pytest.mark.parametrize("scope", ["logs", "purge"])
def test_admin_does_not_stand_for_what_has_to_be_given_by_name(scope):
    admin = Identity("a", frozenset({"admin"}))
    assert not Access(frozenset({scope})).allows(admin, None)
    assert ADMIN.allows(admin, None)


def test_a_scope_for_ones_own_is_worth_nothing_without_a_user():
    identity = Identity("x", frozenset({"spawn:self"}))
    own = Access(own=frozenset({"spawn:self"}))
    assert not own.allows(identity, None)
    assert not own.allows(identity, "ada")


async def test_static_tokens_are_known_by_their_hash_alone():
    token = {"sha256": hash_token("geheim"), "scopes": ["read:any"], "user": "ada"}
    known = StaticTokens(make_settings({"tokens": {"hub": token}}).tokens)
    identity = await known.authenticate(Credentials("geheim", {}))
    assert identity == Identity("token:hub", frozenset({"read:any"}), username="ada")
    assert await known.authenticate(Credentials("geheim ", {})) is None
    assert await known.authenticate(Credentials(None, {})) is None


async def test_what_a_refused_caller_asked_for_is_not_done(caller, server):
    await (await caller("bob")).put(LAB, json={"start": "s"})
    assert server.app[SERVICE].spawns.all("lab") == []

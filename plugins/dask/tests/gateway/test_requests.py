"""Requests by hand: who asks and how, what is refused, and in which words."""

from __future__ import annotations

import base64

import pytest

from spawnpenny.api import Settings
from spawnpenny.testing.plugins import load_plugins
from spawnpenny.testing.web_server import routes

GATEWAY = "/gateway/api/v1"
CLUSTERS = f"{GATEWAY}/clusters/"


def basic(username, password):
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode('latin-1')).decode()}"


async def answer_of(response):
    """Return the status and the text of a refusal, which has nothing else."""
    body = await response.json()
    assert body.keys() == {"error"}
    return response.status, body["error"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        (basic("lab", "ada-token"), 200),
        (basic("ada-token", "x-oauth-basic"), 200),
        (basic("ada-token", ""), 401),
        (basic("ada", "wrong"), 401),
        ("Basic %%%", 401),
        ("Basic é", 401),
        ("Bearer ada-token", 200),
        ("token ada-token", 200),
        ("jupyterhub ada-token", 200),
        ("Negotiate ada-token", 401),
    ],
)
async def test_a_token_is_taken_in_each_way_that_a_client_sends_it(caller, header, status):
    client = await caller()
    response = await client.get(CLUSTERS, headers={"Authorization": header} if header else {})
    assert response.status == status
    if status == 401:
        await answer_of(response)
        assert not response.headers["WWW-Authenticate"].startswith("Basic")  # no browser is to ask for a password


@pytest.mark.parametrize("header", [basic("lab", "hub-token"), "jupyterhub hub-token"])
async def test_elsewhere_a_password_is_no_token(caller, header):
    response = await (await caller()).get("/v1/labs", headers={"Authorization": header})
    assert response.status == 401


@pytest.mark.parametrize(
    ("who", "status", "sentence"),
    [
        ("hub", 422, "The token belongs to no user"),
        ("admin", 422, "The token belongs to no user"),
        ("nobody", 409, "This needs one of the scopes lab:self (for your own user), spawn:self (for your own user)."),
        (
            "ada-reader",
            409,
            "This needs one of the scopes lab:self (for your own user), spawn:self (for your own user).",
        ),
        ("ada-lab", 200, None),
    ],
)
async def test_it_is_for_those_who_speak_for_a_user(caller, who, status, sentence):
    response = await (await caller(who)).get(CLUSTERS)
    assert response.status == status
    if sentence:
        assert (await answer_of(response))[1].startswith(sentence)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("GET", "/gateway", None, 404, "There is no such route"),
        ("GET", f"{GATEWAY}/nothing", None, 404, "There is no such route"),
        ("POST", f"{GATEWAY}/clusters", {}, 404, "There is no such route"),
        ("PATCH", CLUSTERS, None, 405, "This route takes"),
        ("GET", f"{CLUSTERS}none", None, 404, "Cluster none not found"),
        ("GET", f"{CLUSTERS}none?wait", None, 404, "Cluster none not found"),
        ("GET", f"{CLUSTERS}{'n' * 52}", None, 422, "The cluster has 52 characters"),
        ("GET", f"{CLUSTERS}?status=running,nope", None, 422, "status has to be some of pending, running"),
        ("POST", CLUSTERS, b"{", 422, "The body is not JSON"),
        ("POST", CLUSTERS, b" " * 200_000, 422, "The body is larger than"),
        ("POST", CLUSTERS, {"cluster_options": []}, 422, "cluster_options has to be"),
        ("POST", CLUSTERS, {"cluster_options": {"nope": 1}}, 422, "There is no cluster option 'nope'. There are:"),
        ("POST", CLUSTERS, {"cluster_options": {"worker_cores": 9}}, 422, "The option 'worker_cores' has to be"),
        ("POST", f"{CLUSTERS}none/scale", {"count": 1}, 404, "Cluster none not found"),
        ("POST", f"{CLUSTERS}none/scale", {"count": -1}, 422, "count has to be a whole number"),
        ("POST", f"{CLUSTERS}none/scale", {"count": True}, 422, "count has to be a whole number"),
        ("POST", f"{CLUSTERS}none/adapt", {"minimum": 0}, 404, "Cluster none not found"),
        ("POST", f"{CLUSTERS}none/adapt", {"minimum": 3, "maximum": 2}, 422, "minimum is 3, more than the maximum, 2"),
    ],
)
async def test_each_refusal_is_one_that_the_client_shows(caller, method, path, body, status, sentence):
    more = {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
    found, text = await answer_of(await (await caller("ada")).request(method, path, **more))
    assert found == status
    assert text.startswith(sentence)


@pytest.mark.parametrize("path", ["version", "health"])
async def test_whether_it_is_there_may_anybody_ask(caller, path):
    assert (await (await caller()).get(f"/gateway/api/{path}")).status == 200


@pytest.mark.parametrize("body", [{"cluster_options": None}, {}, {"cluster_options": {}}])
async def test_nothing_has_to_be_chosen(caller, body):
    response = await (await caller("ada")).post(CLUSTERS, json=body)
    assert response.status == 201
    assert (await response.json()).keys() == {"name"}


async def test_a_start_that_is_sent_again_is_the_same_cluster_and_another_users_is_not(caller):
    names = []
    for who in ("ada", "ada-lab", "bob"):
        answer = await (await caller(who)).post(f"{CLUSTERS}?start=s1", json={})
        assert answer.status == 201
        names.append((await answer.json())["name"])
    assert names[0] == names[1] != names[2]


async def test_each_route_answers_head_too(caller):
    ada = await caller("ada")
    name = (await (await ada.post(CLUSTERS, json={})).json())["name"]
    for route in routes(load_plugins(Settings())):
        if route.method == "GET" and (route.access.about_caller or "{cluster}" in route.path):
            response = await ada.head(route.path.format(user="ada", cluster=name))
            assert (response.status, await response.read()) == (200, b""), route.path


@pytest.mark.parametrize(
    ("query", "held"), [("?wait=0", False), ("?wait=junk", False), ("?wait=1", True), ("?wait", True)]
)
async def test_a_wait_is_what_dask_gateway_takes_for_one(caller, query, held):
    ada = await caller("ada")
    name = (await (await ada.post(CLUSTERS, json={})).json())["name"]
    report = await (await ada.get(f"{CLUSTERS}{name}{query}")).json()
    assert (report["status"] == "RUNNING") is held


async def test_what_the_service_does_not_explain_is_reported_with_the_requests_id(caller, site, monkeypatch):
    async def broken(*_, **__):
        raise RuntimeError("s3cret")

    monkeypatch.setattr(site.cluster, "create", broken)
    response = await (await caller("ada")).post(CLUSTERS, json={})
    status, text = await answer_of(response)
    assert status == 500
    assert f"Its request_id is {response.headers['X-Request-ID']}." in text
    assert "s3cret" not in text

"""What a refusal costs: as many keys as a body has, few are looked at, and the answer stays small."""

from __future__ import annotations

import json

import pytest

from spawnpenny.domain.suggestions import MOST_NAMED
from spawnpenny.web.app_keys import LIMITS

KIB = 1024
MOST_ANSWERED = 8 * KIB
LAB = "/v1/users/ada/labs/x"
USER = "/v1/users/ada"
CLUSTERS = "/gateway/api/v1/clusters/"


@pytest.fixture
def site(site):
    """Have a site with the routes of Dask clusters, too."""
    site.data["plugins"]["dask"] = {}
    return site


def keys(count, form="k{}"):
    return {form.format(number): 1 for number in range(count)}


BODIES = {
    "few unknown keys": keys(MOST_NAMED + 5),
    "many unknown keys": keys(4000),
    "keys like known ones": keys(4000, "star{}"),
    "more keys than are taken": keys(12000),
    "long keys": keys(12, "x" * 9000 + "{}"),
    "keys that JSON escapes": keys(MOST_NAMED, "\U0001f600" * 64 + "{}"),
    "objects of unknown keys": {"groups": [keys(9)] * 250, "tls": keys(2000), "uid": 1, "start": "s"},
    "many wrong items": {"uid": 1, "groups": [0] * 1000},
    "more items than are taken": {"uid": 1, "groups": [0] * 60000},
    "unknown options": {"start": "s", "options": keys(500, "siz{}"), "cluster_options": None},
    "a long choice": {"start": "s", "options": {"size": "y" * 8000}},
    "unknown cluster options": {"cluster_options": keys(500, "imag{}")},
    "a repeated key": '{"start": "a", "uid": 1, "cluster_options": {}, "count": 1, "start": "b"}',
    "a deep list": "[" * 60000,
    "a deep object": '{"a":' * 20000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_refusal_looks_at_few_keys_and_answers_little(caller, compared, body):
    text = body if isinstance(body, str) else json.dumps(body)
    ada, hub = await caller("ada"), await caller("hub")
    for client, method, path in (
        (ada, "PUT", LAB),
        (hub, "PUT", USER),
        (ada, "POST", CLUSTERS),
        (ada, "POST", f"{CLUSTERS}c1/scale"),
        (ada, "POST", f"{CLUSTERS}c1/adapt"),
    ):
        compared.clear()
        answer = await client.request(method, path, data=text)
        assert 400 <= answer.status < 500
        assert len(await answer.read()) < MOST_ANSWERED
        assert len(compared) < 50 * MOST_NAMED
        assert all(len(entry) <= 64 for pair in compared for entry in pair)


async def test_a_refusal_names_the_first_wrong_keys_and_counts_the_others(hub):
    answer = await (await hub.put(LAB, json=keys(4000))).json()
    assert [error["field"] for error in answer["errors"]] == [f"k{number}" for number in range(MOST_NAMED)]
    assert "3990 more keys are not known." in answer["detail"]


async def test_a_query_of_many_keys_is_refused_as_briefly(hub):
    for query in ("&".join(f"k{number}" for number in range(1500)), "&".join(["wait"] * 1500), "a" * 8000):
        answer = await hub.get(f"{LAB}?{query}")
        assert answer.status == 422
        assert len(await answer.read()) < MOST_ANSWERED


async def test_long_names_are_answered_briefly(hub):
    answer = await hub.get(f"/v1/users/{'%F0%9F%98%80' * 255}/labs/{'%F0%9F%98%80' * 63}")
    assert answer.status == 404
    assert len(await answer.read()) < MOST_ANSWERED


@pytest.mark.parametrize("body", [b"{", b'{"wrong": 1}', b"[]", b"\xff"])
@pytest.mark.parametrize(("method", "path"), [("PUT", LAB), ("PUT", USER), ("POST", CLUSTERS)])
async def test_a_refused_body_counts_as_a_start(site, serving, method, path, body):
    site.data["limits"] = {"starts": 2}
    async with serving(site) as server, server.client("hub" if path == USER else "ada") as client:
        reported = [(await client.request(method, path, data=body)).status for _ in range(3)]
        assert reported[0] == reported[1] != reported[2]
        assert server.app[LIMITS].starts.count("ada") > 0
        assert server.app[LIMITS].starts.count("bob") == 0

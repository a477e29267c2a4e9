"""The token that each lab has of its own: what it opens, and how long."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace

import aiohttp
import pytest

from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.web.app_keys import SERVICE

LABS = "/v1/users/ada/labs"


async def start(hub, lab="~default", user="ada"):
    path = f"/v1/users/{user}/labs/{lab}"
    async with hub.put(path, json={"start": "s"}) as response:
        assert response.status == 202
    async with hub.get(f"{path}/events") as response:
        await response.read()


async def token_of(site, lab="lab"):
    secret = await site.read("Secret", lab)
    return base64.b64decode(secret["data"]["SPAWNPENNY_TOKEN"]).decode()


@pytest.fixture
async def as_lab(server, caller):
    """Return a function that asks with a token, and returns the status and the error's code."""

    async def ask(token, method, path, **more):
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", headers=headers) as session,
            session.request(method, path, **more) as response,
        ):
            answer = await response.json() if response.content_length else {}
            return response.status, answer.get("code")

    return ask


async def test_it_sees_what_is_its_users_and_starts_and_stops_no_lab(site, hub, as_lab):
    await start(hub)
    await start(hub, user="bob")
    token = await token_of(site)
    assert await as_lab(token, "GET", LABS) == (200, None)
    assert await as_lab(token, "GET", "/v1/users/bob/labs") == (403, "forbidden")
    assert await as_lab(token, "PUT", f"{LABS}/other", json={"start": "s"}) == (403, "forbidden")
    assert await as_lab(token, "DELETE", f"{LABS}/~default") == (403, "forbidden")
    assert await as_lab(token, "DELETE", "/v1/users/ada") == (403, "forbidden")


async def test_it_is_good_as_long_as_its_own_pod_and_that_labs_next_one_has_another(site, server, hub, as_lab):
    await start(hub)
    first = await token_of(site)
    async with hub.delete(f"{LABS}/~default?wait=120") as response:
        assert response.status == 204
    assert await as_lab(first, "GET", LABS) == (401, "unauthenticated")
    await start(hub)
    second = await token_of(site)
    assert await as_lab(first, "GET", LABS) == (401, "unauthenticated")
    assert await as_lab(second, "GET", LABS) == (200, None)


class LatePods(FaultyCluster):
    """Tells of its pods once it is let."""

    def __init__(self, cluster):
        super().__init__(cluster)
        self.listed = asyncio.Event()

    async def list(self, resource, **where):
        if resource.kind == "Pod":
            await self.listed.wait()
        return await super().list(resource, **where)


async def test_until_the_pods_are_known_it_is_not_said_to_be_unknown(site, serving):
    async with serving(site) as server, server.client("hub") as hub:
        await start(hub)
        token = await token_of(site)
    late = replace(site, cluster=LatePods(site.cluster))
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(late, ready=False) as server, server.client() as lab:
        async with lab.get(LABS, headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (503, "not_ready")
        late.cluster.listed.set()
        await server.app[SERVICE].until_ready()
        async with lab.get(LABS, headers=headers) as response:
            assert response.status == 200


@pytest.mark.parametrize("change", [lambda token: token[:-1], lambda token: "sp-lab.%%%.x", lambda token: "sp-lab."])
async def test_what_is_not_quite_a_token_is_none(site, hub, as_lab, change):
    await start(hub)
    assert await as_lab(change(await token_of(site)), "GET", LABS) == (401, "unauthenticated")


async def test_nothing_but_the_labs_secret_has_it_once_the_lab_runs(site, server, hub):
    await start(hub)
    token = await token_of(site)
    async with hub.get(f"{LABS}/~default") as response:
        assert token not in await response.text()
    record = await site.read("Secret", "user-ada", site.settings.namespaces.state)
    assert token not in base64.b64decode(record["data"]["record"]).decode()
    assert token not in json.dumps(await site.read("Pod", "lab"))
    run = server.app[SERVICE].spawns.user_state("ada").runs.popitem()[1]
    assert token not in repr(run.record)


async def test_a_caller_cannot_choose_it(site, hub, as_lab):
    body = {"start": "s", "env": {"SPAWNPENNY_TOKEN": "mine"}}
    async with hub.put(f"{LABS}/~default", json=body) as response:
        assert response.status == 202
    async with hub.get(f"{LABS}/~default/events") as response:
        await response.read()
    assert await token_of(site) != "mine"

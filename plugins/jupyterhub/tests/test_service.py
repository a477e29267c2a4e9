"""The service on a real embedded cluster, and a user who has a token of a real Hub."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter

import aiohttp
import pytest

from spawnpenny.testing.killable_service import KillableService
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import hash_token
from spawnpenny.testing.ports import LOOPBACK


@pytest.fixture
async def web(embedded_site, hub):
    """Serve a site that knows the Hub's own token and asks the Hub for others, and have a client of it."""
    data = embedded_site.data
    data["tokens"] = {"hub": {"sha256": hash_token("the-hubs-own"), "scopes": ["read:any", "delete:any"]}}
    data["plugins"] |= {
        "jupyterhub": {"api_url": f"http://{LOOPBACK}:{hub.hub_port}/hub/api", "cache": 0, "scopes": ["spawn:self"]}
    }
    async with KillableService(embedded_site) as service, aiohttp.ClientSession(service.url) as session:
        yield session


@pytest.mark.parametrize("hub", ["6"], indirect=True)
async def test_a_user_starts_with_a_token_of_the_hub_until_it_is_revoked(hub, web):
    made = await hub.have("POST", "users/ada/tokens", {"note": "test"})

    async def ask(method, user="ada", token=made["token"]):
        headers = {"Authorization": f"token {token}"}
        body = {"start": "s"} if method == "PUT" else None
        async with web.request(method, f"/v1/users/{user}/labs/~default", json=body, headers=headers) as answer:
            results = await answer.json()
            return answer.status, results.get("code", results.get("user"))

    assert await ask("PUT") == (202, "ada")
    assert await ask("PUT", user="bob") == (403, "forbidden")
    await hub.kill()
    assert await ask("GET") == (503, "not_ready")
    assert await ask("GET", token="the-hubs-own") == (200, "ada")
    await hub.start()
    assert await ask("GET") == (200, "ada")
    await hub.have("DELETE", f"users/ada/tokens/{made['id']}")
    assert await ask("GET") == (401, "unauthenticated")


@pytest.mark.parametrize("hub", ["6"], indirect=True)
async def test_a_flood_of_made_up_tokens_from_one_address_keeps_nobody_out(hub, web):
    """The flood and the users have one address, as behind one ingress."""
    tokens = [(await hub.have("POST", "users/ada/tokens", {"note": "test"}))["token"] for _ in range(9)]

    async def status(token):
        headers = {"Authorization": f"token {token}"}
        async with web.get("/v1/whoami", headers=headers) as answer:
            return answer.status

    async def flood():
        while True:
            answers[await status(secrets.token_hex(16))] += 1
            if answers.total() >= 96:
                height.set()

    answers, height = Counter(), asyncio.Event()
    known = tokens[0]
    assert await status(known) == 200
    attackers = [asyncio.create_task(flood()) for _ in range(48)]
    try:
        await asyncio.wait_for(height.wait(), PATIENCE)
        for token in tokens[1:]:
            assert (await status(token), await status(known)) == (200, 200)
    finally:
        for attacker in attackers:
            attacker.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
    assert set(answers) <= {401, 503}

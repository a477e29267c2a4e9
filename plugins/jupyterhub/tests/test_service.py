"""The service on a real embedded cluster, and a user who has a token of a real Hub."""

from __future__ import annotations

import aiohttp
import pytest

from spawnpenny.broker.local import run_local_broker
from spawnpenny.plugins import load_plugins
from spawnpenny.testing.ports import LOOPBACK
from spawnpenny.tokens import hash_token
from spawnpenny.web.app import create_app
from spawnpenny.web.keys import SERVICE
from spawnpenny.web.serving import listening


@pytest.fixture
async def web(embedded_site, hub):
    """Serve a site that knows the Hub's own token and asks the Hub for others, and have a client of it."""
    data = embedded_site.data
    data["tokens"] = {"hub": {"sha256": hash_token("the-hubs-own"), "scopes": ["read:any", "delete:any"]}}
    data["plugins"] |= {
        "jupyterhub": {"api_url": f"http://{LOOPBACK}:{hub.hub_port}/hub/api", "cache": 0, "scopes": ["spawn:self"]}
    }
    settings, cluster = embedded_site.settings, embedded_site.cluster
    async with run_local_broker(cluster, settings) as broker:
        app = create_app(settings, load_plugins(settings), cluster, broker)
        async with listening(app, LOOPBACK, 0) as port, aiohttp.ClientSession(f"http://{LOOPBACK}:{port}") as session:
            await app[SERVICE].until_ready()
            yield session


@pytest.mark.parametrize("hub", ["6"], indirect=True)
async def test_a_user_starts_with_a_token_of_the_hub_until_it_is_revoked(hub, web):
    made = await hub.have("POST", "users/ada/tokens", {"note": "test"})

    async def ask(method, user="ada", token=made["token"]):
        headers = {"Authorization": f"token {token}"}
        body = {"start": "s"} if method == "PUT" else None
        async with web.request(method, f"/v1/users/{user}/labs/~default", json=body, headers=headers) as answer:
            told = await answer.json()
            return answer.status, told.get("code", told.get("user"))

    assert await ask("PUT") == (202, "ada")
    assert await ask("PUT", user="bob") == (403, "forbidden")
    await hub.kill()
    assert await ask("GET") == (503, "not_ready")
    assert await ask("GET", token="the-hubs-own") == (200, "ada")
    await hub.start()
    assert await ask("GET") == (200, "ada")
    await hub.have("DELETE", f"users/ada/tokens/{made['id']}")
    assert await ask("GET") == (401, "unauthenticated")

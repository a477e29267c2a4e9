"""The service on a real embedded cluster, and callers who hold tokens of the provider."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from spawnpenny.clients.http import Client
from spawnpenny.testing.killable_service import KillableService
from spawnpenny.testing.patience import PATIENCE


@pytest.fixture
async def web(embedded_site, provider):
    """Serve a site that takes the provider's tokens and the uids in them, and have a client of it."""
    section = provider.settings(claims={"uid": "uid_number"})
    embedded_site.data["plugins"] |= {"oidc": section, "lab": {"grace": 1}}
    async with KillableService(embedded_site) as service, aiohttp.ClientSession(service.url) as session:
        yield session


async def put(web, token, user="ada"):
    headers = {"Authorization": f"Bearer {token}"}
    async with web.put(f"/v1/users/{user}/labs/~default", json={"start": "s"}, headers=headers) as answer:
        return answer, await answer.json()


async def test_a_lab_runs_under_the_uid_that_the_token_vouches_for(web, provider, embedded_site):
    answer, lab = await put(web, provider.token(uid_number=2001))
    assert (answer.status, lab["user"]) == (202, "ada")
    async with asyncio.timeout(PATIENCE), Client(str(web._base_url), provider.token(uid_number=2001)) as client:
        await anext(event async for event in client.lab_events("ada") if event.phase == "running")
    (pod,) = (await embedded_site.objects("Pod")).values()
    assert pod["spec"]["securityContext"]["runAsUser"] == 2001


@pytest.mark.parametrize(
    ("claims", "user", "status", "message"),
    [
        ({"uid_number": 2001}, "bob", 403, "spawn:self (for your own user)"),
        ({"uid_number": 2001, "preferred_username": "Ada"}, "ada", 403, "spawn:self (for your own user)"),
        ({"uid_number": 999}, "ada", 403, "below the smallest allowed one"),
        ({}, "ada", 403, "uid_number"),
        ({"uid_number": 2001, "preferred_username": "../ada"}, "ada", 403, "preferred_username"),
        ({"uid_number": 2001, "exp": 60}, "ada", 401, "has expired"),
        ({"uid_number": 2001, "iss": "https://other.example.org"}, "ada", 401, "The token is not valid."),
    ],
)
async def test_who_is_not_who_they_say_gets_nothing(web, provider, embedded_site, claims, user, status, message):
    answer, problem = await put(web, provider.token(**claims), user)
    assert (answer.status, message in problem["detail"]) == (status, True), problem
    assert await embedded_site.objects("Pod", user=user) == {}


async def test_a_provider_that_is_away_is_no_reason_to_call_a_token_unknown(web, provider):
    provider.up = False
    answer, problem = await put(web, provider.token(uid_number=2001))
    assert (answer.status, problem["code"]) == (503, "not_ready")
    assert answer.headers["Retry-After"]

"""Authenticators of plugins: their order, their beginning and end, and one that cannot tell now."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from spawnpenny.api import Authenticator, Identity, NotReadyError, SettingsError, hookimpl

PATH = "/v1/labs"


class Known(Authenticator):
    """Knows one token, or is away; notes what happens to it."""

    def __init__(self, token=None, fails=None):
        self.token, self.fails, self.noted = token, fails, []

    async def __aenter__(self):
        self.noted.append("entered")
        if isinstance(self.fails, SettingsError):
            raise self.fails
        return self

    async def __aexit__(self, *_):
        self.noted.append("left")

    async def authenticate(self, credentials):
        self.noted.append(credentials.token)
        if self.fails:
            raise self.fails
        return Identity("x", frozenset({"read:any"})) if credentials.token == self.token else None


def plugin(*authenticators):
    @hookimpl
    def spawnpenny_authenticators(settings):
        return list(authenticators)

    return SimpleNamespace(spawnpenny_authenticators=spawnpenny_authenticators)


async def ask(server, token):
    async with server.client() as client:
        answer = await client.get(PATH, headers={"Authorization": f"Bearer {token}"})
        return answer, await answer.json()


async def test_static_tokens_come_first_then_plugins_by_name_until_one_knows(site, serving):
    first, second = Known(), Known("its-token")
    site.plugins = {"b": plugin(second), "a": plugin(first)}
    async with serving(site) as server:
        for token in ("hub-token", "its-token"):
            assert (await ask(server, token))[0].status == 200
        assert first.noted == second.noted == ["entered", "its-token"]
    assert first.noted[-1] == second.noted[-1] == "left"


async def test_not_known_is_not_said_while_one_cannot_tell(site, serving):
    away, other = Known(fails=NotReadyError("The Hub is away.", retry_after=7)), Known("its-token")
    site.plugins = {"a": plugin(away), "b": plugin(other)}
    async with serving(site) as server:
        assert (await ask(server, "its-token"))[0].status == 200
        answer, problem = await ask(server, "somebodys")
        assert (answer.status, problem["code"], problem["detail"]) == (503, "not_ready", "The Hub is away.")
        assert answer.headers["Retry-After"] == "7"


async def test_one_that_cannot_begin_stops_the_service_and_those_before_it_end(site, serving):
    before, broken = Known(), Known(fails=SettingsError("There is no such file."))
    site.plugins = {"a": plugin(before), "b": plugin(broken)}
    with pytest.raises(SettingsError, match="no such file"):
        async with serving(site):
            pass
    assert before.noted == ["entered", "left"]

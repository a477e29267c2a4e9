"""Tokens of a real JupyterHub 6 and 5: whose they are, what they are good for, and for how long."""

from __future__ import annotations

import asyncio

import pytest
import structlog
import trustme
from spawnpenny_jupyterhub.lookup_queue import AT_ONCE, MOST_WAITING

from spawnpenny.api import Credentials, ForbiddenError, Identity, NotReadyError, SettingsError
from spawnpenny.testing.jupyterhub import PROXY
from spawnpenny.testing.ports import LOOPBACK, free_ports
from spawnpenny.testing.processes import Processes

ACCESS = "access:services!service=spawnpenny"
SERVICES_TOKEN = "c" * 32


def api(hub):
    """Return where the Hub itself answers, and not its proxy."""
    return f"http://{LOOPBACK}:{hub.hub_port}/hub/api"


def bearer(token, remote=None):
    return Credentials(token, {}, remote)


def requested(hub):
    """Return how often the Hub has been asked for the owner of a token."""
    return hub.log.read_text().count("GET /hub/api/user ")


async def known_to(hub, token):
    status, _ = await hub.api("GET", "user", token=token)
    return status == 200


async def test_a_token_with_access_speaks_for_its_user_and_no_other_does(hub, ask):
    adas = await hub.token_of("ada")
    narrow = await hub.token_of("ada", scopes=[ACCESS])
    without = await hub.token_of("ada", scopes=["read:users!user"])
    olgas = await hub.token_of("olga")
    grants = {"custom:spawnpenny:look": ["read:any"]}
    async with ask(api(hub), grants=grants) as known:
        mine = Identity("jupyterhub:ada", frozenset({"read:self"}), username="ada")
        assert await known.authenticate(bearer(adas)) == mine
        assert await known.authenticate(bearer(narrow)) == mine
        assert (await known.authenticate(bearer(olgas))).scopes == {"read:self", "read:any"}
        with pytest.raises(ForbiddenError, match=f"ada does not have JupyterHub's scope {ACCESS}"):
            await known.authenticate(bearer(without))
        with pytest.raises(ForbiddenError, match="service 'culler'; only tokens of users"):
            await known.authenticate(bearer(SERVICES_TOKEN))
        assert await known.authenticate(bearer("0" * 32)) is None
    async with ask(api(hub), service="another") as known:
        with pytest.raises(ForbiddenError):
            await known.authenticate(bearer(adas))


async def test_a_token_is_refused_a_minute_after_it_was_revoked_or_has_expired(hub, ask, clock):
    made = await hub.have("POST", "users/ada/tokens", {"note": "to be revoked"})
    revoked, brief = made["token"], await hub.token_of("ada", expires_in=3)
    async with ask(api(hub)) as known:
        for token in (revoked, brief):
            assert await known.authenticate(bearer(token)) is not None
        await hub.have("DELETE", f"users/ada/tokens/{made['id']}")
        await hub.until(lambda: _not(known_to(hub, brief)), "The end of a token")
        clock.now += 59.9
        for token in (revoked, brief):
            assert await known.authenticate(bearer(token)) is not None
        clock.now += 0.2
        for token in (revoked, brief):
            assert await known.authenticate(bearer(token)) is None


async def _not(fact):
    return not await fact


@pytest.mark.parametrize("hub", ["6"], indirect=True)
async def test_the_hub_is_asked_once_for_many_and_never_for_what_is_no_token_of_its(hub, ask, clock):
    token, before = await hub.token_of("ada"), requested(hub)
    async with ask(api(hub)) as known:
        found = await asyncio.gather(*(known.authenticate(bearer(token)) for _ in range(20)))
        assert [entry.username for entry in found] == ["ada"] * 20
        for other in (None, "short", "a.b.c" * 10, "with-dashes_" * 4, "ä" * 32, "x" * 129):
            assert await known.authenticate(bearer(other)) is None
        for _ in range(3):
            assert await known.authenticate(bearer("0" * 32)) is None
        await hub.until(lambda: _is(lambda: requested(hub) >= before + 2), "The Hub's log")
        assert requested(hub) == before + 2
        clock.now += 5
        await known.authenticate(bearer("0" * 32))
        await known.authenticate(bearer(token))
        await hub.until(lambda: _is(lambda: requested(hub) >= before + 3), "The Hub's log")
        assert requested(hub) == before + 3


async def _is(fact):
    return fact()


@pytest.mark.parametrize("hub", ["6"], indirect=True)
async def test_a_hub_that_is_away_does_not_make_a_token_unknown(hub, ask, clock):
    token = await hub.token_of("ada")
    # Through the proxy, too, something answers while the Hub is away.
    async with ask(api(hub)) as direct, ask(f"{hub.url}hub/api") as proxied:
        for known in (direct, proxied):
            assert await known.authenticate(bearer(token)) is not None
        await hub.kill()
        for known in (direct, proxied):
            assert await known.authenticate(bearer(token)) is not None
        clock.now += 60
        for known in (direct, proxied):
            with pytest.raises(NotReadyError, match="JupyterHub") as caught:
                await known.authenticate(bearer(token))
            assert caught.value.retry_after
            assert token not in str(caught.value)
        await hub.start()
        for known in (direct, proxied):
            assert (await known.authenticate(bearer(token))).username == "ada"


@pytest.mark.parametrize(("path", "answer"), [("api", "a redirect"), ("", "a redirect"), ("hub/api/v1", "404")])
async def test_an_address_that_is_not_the_apis_is_not_called_a_silent_hub(hub, ask, path, answer):
    token = await hub.token_of("ada")
    with structlog.testing.capture_logs() as rows:
        async with ask(f"http://{LOOPBACK}:{hub.hub_port}/{path}") as known:
            with pytest.raises(NotReadyError, match=f"answers with {answer}: .*plugins.jupyterhub.api_url") as caught:
                await known.authenticate(bearer(token))
    assert caught.value.retry_after
    (line,) = rows
    assert ("/hub/" in line["why"], token in str(line)) == (True, False)


@pytest.mark.parametrize("hub", ["6"], indirect=True)
async def test_a_hub_behind_https_is_asked_if_its_authority_is_named(hub, ask, tmp_path):
    token = await hub.token_of("ada")
    authority, (port, api_port) = trustme.CA(), free_ports(2)
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    issued = authority.issue_cert(LOOPBACK)
    issued.private_key_pem.write_to_path(tmp_path / "tls.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    argv = [PROXY, f"--ip={LOOPBACK}", f"--port={port}", f"--api-ip={LOOPBACK}", f"--api-port={api_port}"]
    argv += [f"--ssl-key={tmp_path / 'tls.key'}", f"--ssl-cert={tmp_path / 'tls.crt'}"]
    url = f"https://{LOOPBACK}:{port}/hub/api"
    with Processes(tmp_path) as processes:
        processes.start("https", [*argv, f"--default-target=http://{LOOPBACK}:{hub.hub_port}"])
        async with ask(url, authority=str(tmp_path / "ca.crt")) as known:
            await hub.until(lambda: _answers(known, token), "The proxy")
            assert (await known.authenticate(bearer(token))).username == "ada"
        async with ask(url) as strange:
            with pytest.raises(NotReadyError):
                await strange.authenticate(bearer(token))


async def _answers(known, token):
    try:
        return await known.authenticate(bearer(token)) is not None
    except NotReadyError:
        return False


@pytest.mark.parametrize("hub", ["6"], indirect=True)
async def test_who_makes_up_tokens_keeps_neither_the_hub_busy_nor_another_out(hub, ask):
    token, before = await hub.token_of("ada"), requested(hub)
    async with ask(api(hub)) as known:
        flood = [known.authenticate(bearer(f"{entry:032x}", "192.0.2.1")) for entry in range(3000)]
        results = await asyncio.gather(*flood, return_exceptions=True)
        assert sum(isinstance(entry, NotReadyError) for entry in results) >= 3000 - MOST_WAITING - AT_ONCE
        assert (await known.authenticate(bearer(token, "192.0.2.2"))).username == "ada"
        assert requested(hub) <= before + MOST_WAITING + AT_ONCE + 1


async def test_a_hub_that_is_away_is_logged_now_and_then_with_how_often(ask, clock):
    with structlog.testing.capture_logs() as rows:
        async with ask(f"http://{LOOPBACK}:{free_ports(1)[0]}/hub/api") as known:
            for seconds in (0, 0, 29.9, 0.2, 0):
                clock.now += seconds
                with pytest.raises(NotReadyError):
                    await known.authenticate(bearer("0" * 32))
    assert [(line["log_level"], line["times"]) for line in rows] == [("warning", 1), ("warning", 3)]


async def test_an_authority_that_cannot_be_read_stops_the_service(ask, tmp_path):
    with pytest.raises(SettingsError, match=r"plugins\.jupyterhub\.authority"):
        async with ask("https://hub/hub/api", authority=str(tmp_path / "none.crt")):
            pass

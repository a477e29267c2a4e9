"""A Hub that is configured wrongly: the user reads a plain sentence, the log says what to set."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace

import pytest
import trustme
from aiohttp import web

from spawnpenny.clients.jupyterhub.errors import MisconfiguredError, RefusedError
from spawnpenny.testing.killable_service import KillableService

SENTENCE = "This Hub is not set up to start servers."
AWAY = "The service that starts servers does not answer."


@pytest.fixture
async def elsewhere(aiohttp_server):
    """Serve something that is not spawnpenny, and return where."""

    async def serve(status, text, kind="text/html", **headers):
        async def answer(request):
            return web.Response(status=status, text=text, content_type=kind, headers=headers)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return f"http://127.0.0.1:{(await aiohttp_server(app)).port}"

    return serve


async def refusal_of(spawner):
    with pytest.raises(RefusedError) as refusal:
        await spawner.start()
    return refusal.value


@pytest.mark.parametrize(
    ("traits", "cause"),
    [
        ({"token": "wrong"}, "does not accept the Hub's token"),
        ({"token": ""}, "set SpawnpennySpawner.token_file"),
        ({"token_file": "/nowhere"}, "/nowhere cannot be read"),
        ({"token": "careful-token"}, "give it the scope spawn:any, or set auth_state_field"),
        ({"url": ""}, "SpawnpennySpawner.url is not set"),
        *(
            ({"url": url}, "is not a URL")
            for url in ("nonsense", "http://", "http://hub:http", "http://hub:80800", "http://[::1", "ftp://hub")
        ),
        ({"url": "spawnpenny:8080"}, "is not a URL"),
        ({"url": "http://127.0.0.1:1?a=b"}, "is not a URL"),
        ({"url": "http://hub:s3cret@127.0.0.1:1"}, "contains a username or password"),
        ({"token": "two\nlines"}, "does not contain a token"),
        ({"token": "wörd"}, "does not contain a token"),
        ({"hub_name": "two\nlines"}, r"SpawnpennySpawner.hub_name is 'two\nlines'"),
        ({"hub_name": "a\u202eb"}, "at most 200 printable characters"),
        ({"hub_name": "x" * 201}, "at most 200 printable characters"),
        ({"ca_file": "/nowhere", "url": "https://127.0.0.1:1"}, "ca_file: /nowhere cannot be used"),
    ],
    ids=str,
)
async def test_settings_of_the_hub_that_are_wrong(spawner_of, caplog, traits, cause):
    spawner = spawner_of(patience=0, **traits)
    refusal = await refusal_of(spawner)
    assert (refusal.code, refusal.status_code) == ("hub_misconfigured", 503)
    assert refusal.jupyterhub_message.startswith(SENTENCE)
    assert cause in caplog.text
    assert cause not in refusal.jupyterhub_message
    for secret in ("wrong", "s3cret", "wörd"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (200, "<html>", "text/html"),
        (200, "[]", "application/json"),
        (200, "{}", "application/json"),
        (401, "Log in", "text/plain"),
        (403, "<html>", "text/html"),
        (404, "<html>", "text/html"),
        (405, "", "text/plain"),
        (302, "", "text/plain"),
    ],
)
async def test_a_url_of_something_else(spawner_of, elsewhere, caplog, status, text, kind):
    url = await elsewhere(status, text, kind, Location="https://elsewhere.example")
    refusal = await refusal_of(spawner_of(url=url, patience=0))
    assert refusal.code == "hub_misconfigured"
    assert "Set SpawnpennySpawner.url to the URL of spawnpenny" in caplog.text


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_service_with_a_fault_is_away_and_not_misconfigured(spawner_of, elsewhere, status):
    refusal = await refusal_of(spawner_of(url=await elsewhere(status, "<html>"), patience=0))
    assert (refusal.code, refusal.jupyterhub_message.startswith(AWAY)) == ("service_unavailable", True)


@pytest.mark.parametrize("scheme", ["http of a service with TLS", "https of a service without"])
async def test_the_wrong_scheme(configured, site, scheme):
    authority, serving = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    secure = scheme.startswith("http of")
    async with KillableService(site, tls=serving if secure else None) as service:
        address = service.url.partition("://")[2]
        refusal = await refusal_of(configured(url=f"{'http' if secure else 'https'}://{address}", patience=0))
    if not secure:
        assert (refusal.code, "does not speak TLS" in refusal.cause) == ("hub_misconfigured", True)
    assert refusal.status_code == 503  # a service with TLS hangs up on plain HTTP, as one that is ending does
    assert address in refusal.cause


async def test_an_authenticator_that_keeps_no_auth_state(spawner_of, in_hub, gate, caplog):
    in_hub.settings["authenticator"] = SimpleNamespace(enable_auth_state=False)
    refusal = await refusal_of(spawner_of(url=gate.url, auth_state_field="access_token"))
    assert isinstance(refusal, MisconfiguredError)
    assert "c.Authenticator.enable_auth_state = True" in caplog.text
    assert gate.requests == []


@pytest.mark.parametrize(
    ("traits", "sentence"),
    [({"token": "wrong"}, SENTENCE), ({"token": ""}, SENTENCE), ({"url": "http://127.0.0.1:1"}, AWAY)],
)
async def test_the_form_tells_a_wrong_token_from_a_service_that_is_away(spawner_of, traits, sentence):
    assert sentence in await spawner_of(patience=0, **traits).get_options_form()


async def test_the_names_for_a_certificate_are_refused_in_a_sentence_too(spawner_of):
    for traits in ({"token": ""}, {"token": "wrong"}):
        with pytest.raises(MisconfiguredError, match="not set up"):
            await spawner_of(patience=0, **traits).create_certs()


async def test_a_token_that_is_changed_while_a_server_starts_is_reported_to_the_waiting_user(
    spawner_of, tmp_path, service
):
    file = tmp_path / "token"
    file.write_text("hub-token")
    spawner = spawner_of(token_file=str(file), user_options={"image": "slow"}, patience=0)
    task = asyncio.create_task(spawner.start())
    await asyncio.sleep(0)
    reading = spawner.progress()
    await anext(reading)
    file.write_text("wrong")
    await service.kill()
    await service.start()
    async for event in reading:
        if event["message"].startswith(SENTENCE):
            break
    await reading.aclose()
    file.write_text("hub-token")
    task.cancel()
    await asyncio.wait([task])
    await spawner.stop()

"""What a poll makes of each answer: nothing but a sure end may be told as one, or the Hub forgets servers that run."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from spawnpenny.clients.jupyterhub import certificates, lab_handle, options
from spawnpenny.clients.jupyterhub.errors import RefusedError
from spawnpenny.testing.patience import PATIENCE

LAB = {
    "user": "ada",
    "lab": "~default",
    "start": "another's",
    "spawn": "x",
    "phase": "running",
    "url": None,
    "reason": None,
    "steps": [],
    "requested_at": 1.0,
    "deadline": 2.0,
    "ended_at": None,
}


def lab(phase, **reason):
    found = {"code": "pod_crashed", "message": "It ended.", "advice": None, **reason} if reason else None

    async def answer(request):
        return web.json_response(LAB | {"phase": phase, "reason": found})

    return answer


def problem(status, code):
    async def answer(request):
        reported = {"code": code, "detail": "It is so.", "status": status}
        return web.json_response(reported, status=status, content_type="application/problem+json")

    return answer


def plain(status, text="<html>"):
    async def answer(request):
        return web.Response(status=status, text=text, content_type="text/html")

    return answer


async def hang_up(request):
    request.transport.abort()
    return web.Response()


async def never(request):
    await asyncio.Event().wait()


async def half(request):
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"user": "ada",')
    request.transport.abort()
    return response


@pytest.fixture
async def answering(aiohttp_server):
    """Serve one answer to everything, and return where."""

    async def serve(answer):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return f"http://127.0.0.1:{(await aiohttp_server(app, shutdown_timeout=0.1)).port}"

    return serve


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        pytest.param(lab("failed"), 1, id="failed"),
        pytest.param(lab("exited"), 1, id="exited"),
        pytest.param(lab("exited", exit_code=0), 0, id="shut down from inside"),
        pytest.param(lab("exited", exit_code=137), 137, id="killed"),
        pytest.param(lab("exited", exit_code="0"), 1, id="of a service that makes mistakes"),
        pytest.param(problem(404, "lab_not_found"), 0, id="lab_not_found"),
        pytest.param(problem(422, "name_invalid"), 0, id="name_invalid"),
        *(
            pytest.param(lab(phase), None, id=phase)
            for phase in ("requested", "pending", "running", "stopping", "undoing", "of-a-newer-service")
        ),
        *(
            pytest.param(problem(status, code), None, id=f"{status}-{code}")
            for status, code in [
                (401, "unauthenticated"),
                (403, "forbidden"),
                (404, "route_not_found"),
                (404, "user_not_found"),
                (410, "lab_not_found"),
                (400, "name_invalid"),
                (422, "request_invalid"),
                (429, "too_many_requests"),
                (500, "internal_error"),
                (500, "lab_not_found"),
                (503, "not_ready"),
            ]
        ),
        *(pytest.param(plain(status), None, id=f"plain-{status}") for status in (200, 302, 404, 502, 503, 504)),
        pytest.param(plain(200, "{}"), None, id="no-lab"),
        pytest.param(hang_up, None, id="hang-up"),
        pytest.param(half, None, id="cut-off"),
        pytest.param(never, None, id="silent"),
    ],
)
async def test_only_a_sure_end_is_reported_as_one(configured, answering, monkeypatch, answer, reported):
    monkeypatch.setattr(lab_handle, "LOOK_TIMEOUT", 0.5)
    spawner = configured(url=await answering(answer), patience=0)
    spawner.load_state({"start": "ours"})
    assert await spawner.poll() == reported


@pytest.mark.parametrize(
    "traits",
    [
        {"url": "http://127.0.0.1:1"},
        {"url": ""},
        {"url": "nonsense"},
        {"url": "http://127.0.0.1:1", "token": ""},
        {"url": "http://127.0.0.1:1", "token_file": "/no/such/file"},
        {"url": "https://127.0.0.1:1", "ca_file": "/no/such/file"},
    ],
    ids=lambda traits: " ".join(f"{name}={value}" for name, value in traits.items()),
)
async def test_a_service_that_cannot_be_asked_says_nothing(configured, traits):
    assert await configured(patience=0, **traits).poll() is None


async def test_what_the_hub_knew_is_kept_where_nothing_is_known(configured, in_hub, server_of):
    spawner = configured(url="http://127.0.0.1:1", patience=0)
    spawner.server = server_of()
    spawner.load_state({"start": "ours"})
    assert await spawner.get_url() == spawner.server.url


async def test_a_form_and_a_certificate_do_not_wait_for_a_service_that_is_silent(
    configured, answering, monkeypatch, caplog
):
    for module in (certificates, options):
        monkeypatch.setattr(module, "LOOK_TIMEOUT", 0.1)
    spawner = configured(url=await answering(never), patience=0)
    async with asyncio.timeout(PATIENCE):
        assert "The service that starts servers does not answer." in await spawner.get_options_form()
        with pytest.raises(RefusedError, match="does not answer") as refusal:
            await spawner.create_certs()
    assert refusal.value.code == "service_unavailable"
    assert caplog.text.count("The service did not answer in time") == 2

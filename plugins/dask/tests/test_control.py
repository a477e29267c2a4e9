"""A scheduler is its user's own program: what it answers is not believed to be well-formed, small, or quick."""

from __future__ import annotations

import pytest
from aiohttp import web
from spawnpenny_dask import scheduler_client as control_module
from spawnpenny_dask.scheduler_client import Control, SilentError, control_session

GOOD = {"workers": {"w": {"status": "running"}}, "target": 2, "idle": 1, "alone": None}


@pytest.fixture
async def answering(aiohttp_server, monkeypatch):
    """Have a control API that answers what a test says."""

    async def serve(handler):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = await aiohttp_server(app)
        monkeypatch.setattr(control_module, "CONTROL_PORT", server.port)

    return serve


async def test_a_state_is_what_the_scheduler_tells(answering):
    async def handler(request):
        assert request.headers["Authorization"] == "Bearer token"
        more = {"workers": {**GOOD["workers"], "stranger": {"status": "closing"}}}
        return web.json_response({**GOOD, **more})

    await answering(handler)
    async with control_session() as session:
        state = await Control(session, lambda: "127.0.0.1", "token").state(among={"w": ""})
    assert (state.workers, state.target, state.idle, state.alone) == ({"w": "running"}, 2, 1.0, None)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=401),
        web.Response(status=302, headers={"Location": "http://169.254.169.254/"}),
        web.Response(text="no JSON"),
        web.Response(text="[" * 100_000),
        web.Response(text="[]"),
        web.Response(text='{"workers": [], "target": 1, "idle": null, "alone": null}'),
        web.Response(text='{"workers": {}, "target": Infinity, "idle": null, "alone": null}'),
        web.Response(text='{"workers": {}, "target": null, "idle": null, "alone": null}'),
        web.Response(text='{"workers": {}, "target": 1, "idle": Infinity, "alone": null}'),
        web.Response(text='{"workers": {}, "target": 1, "idle": 1e308, "alone": null}'),
        web.Response(text='{"workers": {}, "target": 1, "idle": null, "alone": NaN}'),
        web.Response(text='{"workers": {}, "target": 1, "idle": -1, "alone": null}'),
        web.Response(text='{"workers": {}, "target": 1, "idle": null, "alone": null, "left": {"w": NaN}}'),
        web.Response(text='"' + "x" * 1_100_000 + '"'),
    ],
    ids=lambda answer: f"{answer.status}-{(answer.text or '')[:50]}",
)
async def test_whatever_else_it_answers_nothing_is_known_of_it(answering, answer):
    async def handler(request):
        return answer

    await answering(handler)
    async with control_session() as session:
        with pytest.raises(SilentError):
            await Control(session, lambda: "127.0.0.1", "token").state(among={"w": ""})


async def test_it_can_let_go_no_worker_but_those_it_was_asked_about(answering):
    async def handler(request):
        return web.json_response({"names": ["w", "another", 7]})

    await answering(handler)
    async with control_session() as session:
        assert await Control(session, lambda: "127.0.0.1", "token").retire(1, among=["w", "v"]) == {"w"}


async def test_nobody_there_is_nothing_known_as_well(unused_tcp_port, monkeypatch):
    monkeypatch.setattr(control_module, "CONTROL_PORT", unused_tcp_port)
    async with control_session() as session:
        control = Control(session, lambda: "127.0.0.1", "token")
        assert not await control.is_up()
        with pytest.raises(SilentError):
            await control.retire(1, among=["w"])

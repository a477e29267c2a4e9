"""Streams of events, through all that breaks them."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from spawnpenny.clients.http import ProblemError, UnexpectedAnswerError, UnreachableError

SLOW = {"image": "slow"}


async def all_of(events):
    return [event async for event in events]


def event(event_id, message="m", **more):
    data = json.dumps({"id": event_id, "type": "info", "time": 1.0, "message": message, **more})
    return f"id: {event_id}\r\nevent: info\r\ndata: {data}\r\n\r\n"


def stream(*parts, cut=False):
    async def answer(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in parts:
            await response.write(part.encode())
        if cut:
            request.transport.abort()
        return response

    return answer


async def over(request):
    return web.Response(status=204)


async def no_lab(request):
    body = {"code": "lab_not_found", "detail": "There is none."}
    return web.json_response(body, status=404, content_type="application/problem+json")


@pytest.fixture
def scripted(script, client_of):
    """Follow a stream that is answered so; return the events, and what was asked."""

    async def follow(*answers, **more):
        script.answers = list(answers)
        client = await client_of(script.port, total=1.0)
        found = await all_of(client.lab_events("ada", **more))
        return [entry.id for entry in found], [headers.get("Last-Event-ID") for _, _, headers, _ in script.requests]

    return follow


async def test_it_ends_when_the_lab_runs(hub):
    await hub.start_lab("ada", start="s")
    events = await all_of(hub.lab_events("ada"))
    assert events[0].phase == "pending"
    assert events[-1].phase == "running"
    rest = [entry async for entry in hub.lab_events("ada", after=events[-3].id)]
    assert rest == events[-2:]
    assert await all_of(hub.lab_events("ada", after=events[-1].id)) == []


@pytest.mark.parametrize("cut_after", [b'"step": "quota"', b"data: {", b"id: ", b"\r\n\r\n", b"HTTP/1.1 200"])
async def test_a_stream_that_is_cut_by_a_proxy_is_taken_up_where_it_was(hub, proxy, client_of, cut_after):
    await hub.start_lab("ada", start="s")
    whole = await all_of(hub.lab_events("ada"))
    proxy.cut_after, proxy.cuts = cut_after, 3
    client = await client_of(proxy.port)
    assert await all_of(client.lab_events("ada")) == whole
    assert proxy.cuts < 3


async def test_a_service_that_restarts_in_the_middle_is_waited_for(site, serving, client_of):
    async with serving(site) as server:
        client = await client_of(server.port)
        await client.start_lab("ada", start="s", options=SLOW)
        events = client.lab_events("ada")
        found = [await anext(events)]
    rest = asyncio.create_task(all_of(events))
    async with serving(site, port=server.port):
        await client.stop_lab("ada", start="s")
        found += await rest
    places = [entry.position for entry in found]
    assert places == sorted(set(places))
    assert found[0].phase == "pending"


async def test_a_lab_that_is_gone_ends_the_stream(hub):
    await hub.start_lab("ada", start="s", options=SLOW)
    events = hub.lab_events("ada")
    found = [await anext(events)]
    await hub.stop_lab("ada", wait=120)
    found += await all_of(events)
    assert "stopping" in {entry.phase for entry in found}


async def test_an_unknown_lab_has_no_events(hub):
    with pytest.raises(ProblemError) as refused:
        await all_of(hub.lab_events("ada"))
    assert refused.value.code == "lab_not_found"


async def test_each_event_comes_once_also_where_the_service_forgot_the_last_one(scripted):
    reported = [event(f"1-{number}") for number in range(1, 5)]
    found, requested = await scripted(stream(*reported), stream(*reported[:2], event("2-3")), over)
    assert found == ["1-1", "1-2", "1-3", "1-4", "2-3"]
    assert requested == [None, "1-4", "2-3"]


async def test_comments_and_unknown_fields_are_passed_over(scripted):
    found, _ = await scripted(stream(": ping\r\n\r\n", "retry: 10\nfoo: bar\n\n", event("1-1", new=1)), over)
    assert found == ["1-1"]


async def test_half_an_event_counts_as_none(scripted):
    half = event("1-2")[:-20]
    found, requested = await scripted(stream(event("1-1"), half), stream(event("1-2")), over)
    assert found == ["1-1", "1-2"]
    assert requested == [None, "1-1", "1-2"]


async def test_a_lab_that_is_gone_at_the_reconnect_ends_it(scripted):
    found, _ = await scripted(stream(event("1-1"), cut=True), no_lab)
    assert found == ["1-1"]


async def test_a_stream_without_news_is_given_up_in_the_end(scripted):
    with pytest.raises(UnreachableError, match="ended early"):
        await scripted(stream(event("1-1")))


@pytest.mark.parametrize("wrong", ["data: no json\r\n\r\n", "data: {}\r\n\r\n", "data: []\r\n\r\n"])
async def test_what_is_no_stream_of_spawnpenny_is_reported(scripted, wrong):
    with pytest.raises(UnexpectedAnswerError, match="not from spawnpenny"):
        await scripted(stream(wrong))

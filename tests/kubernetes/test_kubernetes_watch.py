"""How the port to Kubernetes reads a watch."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from spawnpenny.kubernetes.errors import ExpiredError, UnavailableError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.testing.patience import PATIENCE

POD = resource_of("Pod")


async def hang(request):
    await asyncio.sleep(30)
    return web.Response()


def stream(*chunks, end=True):
    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if not end:
            request.transport.abort()
        return response

    return answer


def line(kind, **metadata):
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode() + b"\n"


async def test_a_watch_takes_lines_of_any_length_in_any_pieces(api, connect):
    large = line("ADDED", name="p", resourceVersion="5", annotations={"a": "x" * 3_000_000})
    api.answers = [stream(large[:10], large[10:], line("BOOKMARK", resourceVersion="6"))]
    async with connect() as cluster:
        events = [event async for event in cluster.watch(POD, since="1")]
    assert [(event.type, event.version) for event in events] == [("ADDED", "5"), ("BOOKMARK", "6")]


async def test_a_watch_asks_for_bookmarks_and_an_end(api, connect):
    api.answers = [stream()]
    async with connect(watch_seconds=7) as cluster:
        assert [event async for event in cluster.watch(POD, since="3", namespace="ns")] == []
    assert dict(api.requests[0][0].query) == {
        "watch": "true",
        "resourceVersion": "3",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "7",
    }


async def test_an_expired_watch_is_reported_whether_it_had_begun_or_not(api, connect):
    event = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}
    api.answers = [stream(json.dumps(event).encode() + b"\n"), web.Response(status=410)]
    async with connect() as cluster:
        for _ in range(2):
            with pytest.raises(ExpiredError):
                await anext(cluster.watch(POD, since="1"))


async def test_a_broken_stream_is_reported_after_what_came(api, connect):
    api.answers = [stream(line("ADDED", resourceVersion="5"), end=False)]
    async with connect() as cluster:
        events = cluster.watch(POD, since="1")
        assert (await anext(events)).version == "5"
        with pytest.raises(UnavailableError):
            await anext(events)


async def test_watches_take_no_connection_from_calls(api, connect):
    async with connect() as cluster, asyncio.timeout(PATIENCE):
        api.answers = [hang]
        watches = [asyncio.create_task(anext(cluster.watch(POD, since="1"))) for _ in range(120)]
        await api.wait_for_requests(len(watches))
        api.answers = [web.json_response({"kind": "Pod"})]
        assert await cluster.read(Ref(POD, "p", "ns")) == {"kind": "Pod"}
        for watch in watches:
            watch.cancel()
        await asyncio.wait(watches)

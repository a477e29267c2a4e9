"""What callers may ask for, in a minute and at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from spawnpenny.testing.patience import PATIENCE
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.errors import TooManyRequestsError
from spawnpenny.web.middleware.rate_limit import StartLimits, StreamLimits

LAB = "/v1/users/ada/labs/~default"


def lab(user="ada", name="a"):
    return f"/v1/users/{user}/labs/{name}"


@pytest.fixture
async def limited(site, serving):
    """Serve with small limits, and yield the server and a client of the Hub."""
    site.data["limits"] = {"starts": 2, "user_streams": 1, "streams": 2}
    async with serving(site) as server, server.client("hub") as hub:
        yield server, hub


async def begin(hub, path, start="s"):
    return await hub.put(path, json={"start": start, "options": {"image": "slow"}})


async def test_starts_beyond_the_limit_are_refused_and_nothing_is_written(limited):
    server, hub = limited
    assert [(await begin(hub, lab(name=name))).status for name in "ab"] == [202, 202]
    refused = await begin(hub, lab(name="c"))
    answer = await refused.json()
    assert (refused.status, answer["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 30
    assert {key.name for key in server.app[SERVICE].spawns.user_state("ada").record.spawns} == {"a", "b"}


async def test_one_users_starts_are_no_business_of_another(limited):
    _, hub = limited
    for name in "abc":
        await begin(hub, lab(name=name))
    assert (await begin(hub, lab("bob"))).status == 202


async def test_a_start_that_is_there_is_answered_beyond_the_limit_too(limited):
    _, hub = limited
    assert [(await begin(hub, lab())).status for _ in range(4)] == [202, 200, 200, 200]
    assert (await begin(hub, lab(), "another")).status == 429


async def test_commissioning_counts_too(limited):
    _, hub = limited
    message_read = [(await hub.put("/v1/users/ada", json={"uid": uid})).status for uid in (2000, 2001, 2002)]
    assert message_read[-1] == 429


async def test_what_is_not_allowed_does_not_count(limited):
    server, hub = limited
    async with server.client("bob") as bob:
        for _ in range(3):
            await begin(bob, lab())
            await bob.put(lab(), json={})
    assert (await begin(hub, lab())).status == 202


async def test_streams_beyond_the_limit_are_refused_until_one_ends(limited):
    _, hub = limited
    for user in ("ada", "bob", "cy"):
        await begin(hub, lab(user))
    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(hub.get(f"{lab()}/events"))
        again = await hub.get(f"{lab()}/events")
        assert (again.status, (await again.json())["code"]) == (429, "too_many_requests")
        assert "Retry-After" in again.headers
        assert (await hub.head(f"{lab()}/events")).status == 200
        await stack.enter_async_context(hub.get(f"{lab('bob')}/events"))
        assert (await hub.get(f"{lab('cy')}/events")).status == 429
        await hub.delete(lab())
        await ada.read()  # to its end
        async with hub.get(f"{lab('cy')}/events") as stream:
            assert stream.status == 200


async def test_a_stream_whose_caller_goes_away_is_given_back(limited):
    server, hub = limited
    await begin(hub, lab())
    streams = server.app[LIMITS].streams
    async with server.client("ada") as ada, ada.get(f"{lab()}/events") as response:
        await response.content.readline()
        assert streams.total == 1
    await hub.delete(lab(), params={"wait": 30})
    await (await hub.get("/healthz")).read()
    assert streams.total == 0


@pytest.fixture
async def stuffed(site, serving):
    """Serve with a lab of ada's that does not end, and as many unfinished requests of hers as there may be."""
    site.data["limits"] = {"user_requests": 4}
    site.data["deadlines"] = {"body": 60}
    site.data["plugins"]["lab"]["grace"] = 60
    async with serving(site) as server, server.client("ada") as ada:
        await ada.put(LAB, json={"start": "s", "options": {"image": "stubborn"}})
        async with ada.get(f"{LAB}/events") as stream:
            await stream.read()  # until it runs
        head = f"PUT {LAB} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada-token\r\nContent-Length: 9\r\n\r\n"
        writers = [(await asyncio.open_connection("127.0.0.1", server.port))[1] for _ in range(4)]
        for writer in writers:
            writer.write(head.encode())
        requests = server.app[LIMITS].requests
        while requests.bodies < 4:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
        yield server, ada
        for writer in writers:
            writer.transport.abort()


async def test_a_user_with_too_many_requests_under_way_can_stop_what_there_is(stuffed):
    server, ada = stuffed
    refused = await ada.get(LAB)
    reported = await refused.json()
    assert (refused.status, reported["code"]) == (429, "too_many_requests")
    assert "start" not in reported["advice"]
    assert "answers" in reported["advice"]
    assert (await ada.delete(LAB)).status == 202
    async with asyncio.timeout(PATIENCE):
        waiting = [asyncio.create_task(ada.delete(LAB, params={"wait": 60})) for _ in range(4)]
        answered = await asyncio.gather(*(ada.delete(LAB, params={"wait": 60}) for _ in range(4)))
    assert {answer.status for answer in answered} <= {202, 429}
    assert not all(task.done() for task in waiting)
    assert (await ada.delete(LAB)).status == 202
    async with server.client("hub") as hub:
        assert (await hub.get(LAB)).status == 200
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


def test_a_user_gets_starts_back_one_by_one():
    now = [0.0]
    limit = StartLimits(6, clock=lambda: now[0])
    assert [limit.count("ada") for _ in range(7)] == [0] * 6 + [pytest.approx(10)]
    now[0] = 10
    assert [limit.count("ada"), limit.count("ada")] == [0, pytest.approx(10)]
    now[0] = 1000
    assert [limit.count("ada") for _ in range(7)] == [0] * 6 + [pytest.approx(10)]


def test_users_who_ask_for_nothing_any_more_are_forgotten():
    now = [0.0]
    limit = StartLimits(1, clock=lambda: now[0])
    for number in range(100_000):
        now[0] = number / 10
        limit.count(f"user-{number}")
    assert len(limit) <= 2048


def test_a_stream_is_given_back_where_serving_it_fails():
    limit = StreamLimits(1, 1)
    for _ in range(3):
        with pytest.raises(KeyError), limit.opened("ada"):
            raise KeyError
    with limit.opened("ada"), pytest.raises(TooManyRequestsError), limit.opened("bob"):
        pass
    assert limit.total == 0

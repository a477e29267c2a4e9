"""Callers who only connect, send halves, read nothing or come in floods: others are served, and memory is bounded."""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import suppress

import pytest

from spawnpenny.testing.patience import PATIENCE

MANY = 2000 if os.environ.get("SPAWNPENNY_TEST_ALL") == "1" else 120
MIB = 2**20
SLOWER = 40
"""How many times as long as unloaded another user may wait in the median: this machine may be busy besides."""
LUCK = 0.1
LAB = "/v1/users/ada/labs/~default"
BODIES = {"header": 1, "body": 3, "idle": 2, "write": 2}
HALVES = {
    "silent": b"",
    "half a line": b"GET /healthz HT",
    "half a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: y",
    "half a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


def put(length, token="ada-token", sent=b""):
    head = f"PUT {LAB} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + sent


async def ended(pairs):
    """Read each connection to its end, and return what came on it."""

    async def one(reader, writer):
        data = b""
        with suppress(ConnectionError):
            data = await reader.read()
        writer.close()
        return data

    async with asyncio.timeout(PATIENCE):
        return await asyncio.gather(*(one(*pair) for pair in pairs))


async def unloaded(target):
    """Return the time of an answer, and memory and descriptors, before anything hostile comes."""
    await target.start("bob", "s1")
    await target.answers(times=3)
    # A median of milliseconds is luck on a machine that is busy, and no measure of what comes later.
    return max(await target.answers(), LUCK), target.memory, target.descriptors


async def test_what_never_comes_to_a_request_is_cut(launch):
    async with launch() as target:
        before, memory, descriptors = await unloaded(target)
        pairs = {kind: await target.flood(MANY // 2, sent) for kind, sent in HALVES.items()}
        assert await target.answers() < SLOWER * before
        for kind, connected in pairs.items():
            answers = await ended(connected)
            assert all(not data or data[9:12] == b"400" for data in answers), kind
        await target.until_closed()
        assert target.descriptors <= descriptors + 5
        assert target.memory < memory + 20 * MIB + MANY * 20_000


async def test_a_connection_that_idles_after_a_request_is_closed(launch):
    async with launch() as target:
        _, _, descriptors = await unloaded(target)
        pairs = await target.flood(MANY, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        for data in await ended(pairs):
            assert data.startswith(b"HTTP/1.1 200 ")
        assert target.descriptors <= descriptors + 5
        await sent_byte_by_byte(target)


async def sent_byte_by_byte(target):
    """Send a header that never ends: it is not waited for."""
    reader, writer = await target.connect()
    reading = asyncio.ensure_future(ended([(reader, writer)]))
    for byte in b"GET /healthz HTTP/1.1\r\nX-Slow: " + 1000 * b"y":
        writer.write(bytes([byte]))
        await asyncio.wait({reading}, timeout=0.05)
        if reading.done():
            break
    assert await reading == [b""]
    assert await target.metric('spawnpenny_connections_cut_total{reason="header"}') >= 1


async def test_bodies_of_one_user_that_do_not_end_are_refused_and_cut(launch):
    async with launch(deadlines=BODIES) as target:
        before, memory, _ = await unloaded(target)
        pairs = await target.flood(MANY, put(128 * 1024, sent=127 * 1024 * b" "))
        assert await target.answers() < SLOWER * before
        statuses = [int(data[9:12]) for data in await ended(pairs) if data]
        assert {408, 429} == set(statuses)
        assert statuses.count(408) <= 2 * 64  # as many as a user may have, once or twice
        assert target.memory < memory + 80 * MIB
        await target.start("ada", "s2")  # nothing counts any more


async def test_bodies_of_many_are_bounded_in_all(launch):
    async with launch(limits={"bodies": 10}, deadlines=BODIES) as target:
        pairs = await target.flood(30, put(1000, sent=b" "))
        others = [data for data in await ended(pairs) if data.startswith(b"HTTP/1.1 429 ")]
        assert len(others) >= 10
        assert all(b"Retry-After: " in data for data in others)


async def test_anonymous_bodies_that_do_not_end_are_refused_and_cut(launch):
    async with launch() as target:
        before, memory, _ = await unloaded(target)
        pairs = await target.flood(MANY, put(128 * 1024, token="nobodys", sent=127 * 1024 * b" "))
        assert await target.answers() < SLOWER * before
        answers = await ended(pairs)
        assert all(data.startswith(b"HTTP/1.1 401 ") for data in answers if data)
        assert target.memory < memory + 80 * MIB


async def test_answers_that_nobody_reads_are_given_up(launch):
    async with launch() as target:
        before, memory, descriptors = await unloaded(target)
        desired = 20 * b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        pairs = await target.flood(MANY // 2, desired, buffer=4096)
        assert await target.answers() < SLOWER * before
        await target.until_closed()
        assert target.memory < memory + 40 * MIB + MANY * 200_000
        assert target.descriptors <= descriptors + 5
        await ended(pairs)


async def test_event_streams_that_nobody_reads_leave_room_for_others(launch):
    async with launch() as target:
        before, memory, _ = await unloaded(target)
        await target.start("ada", "s1")
        desired = (
            b"GET /v1/users/ada/labs/~default/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada-token\r\n\r\n"
        )
        await target.flood(MANY, desired, buffer=4096)
        assert await target.answers() < SLOWER * before
        assert target.memory < memory + 40 * MIB
        assert await target.metric("spawnpenny_event_streams_open") <= 20


@pytest.mark.parametrize(("limit", "most"), [("connections", 100), ("address_connections", 100)])
async def test_a_flood_of_connections_keeps_nobody_out(launch, limit, most):
    async with launch(limits={limit: most}, deadlines={"header": 30}) as target:
        before, memory, descriptors = await unloaded(target)
        await target.flood(3 * most)
        assert target.descriptors <= descriptors + most + 5
        assert await target.answers() < SLOWER * before
        assert target.memory < memory + 20 * MIB


async def test_garbage_tokens_are_refused_and_nothing_more(launch):
    async with launch() as target:
        before, memory, _ = await unloaded(target)
        odd = (b"sp-lab.\xc3\xa9.x", b"sp-lab.%00.x", b"a.b.c", b"\xff", b"x" * 4000)
        tokens = [*odd, *(os.urandom(8).hex().encode() for _ in range(MANY // 5))]
        schemes = (b"Bearer ", b"Token ", b"Basic ", b"jupyterhub ")
        for path in (b"/v1/users/bob/labs", b"/gateway/api/v1/clusters/"):
            head = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: "
            pairs = [
                await target.connect(head + scheme + token + b"\r\n\r\n") for token in tokens for scheme in schemes
            ]
            assert {data[9:12] for data in await ended(pairs)} == {b"401"}
        assert await target.answers() < SLOWER * before
        assert target.memory < memory + 20 * MIB


async def test_bodies_of_one_user_that_cost_much_hold_up_nobody_else(launch):
    """They are parsed one after the other, with the work of others in between."""
    body = ('{"start": "s", ' + ", ".join(f'"star{number:03}": 1' for number in range(4900)) + "}").encode()
    async with launch() as target:
        before, _, _ = await unloaded(target)
        desired, over, statuses = put(len(body), sent=body), asyncio.Event(), set()

        async def repeat(reader, writer):
            while not over.is_set():
                writer.write(desired)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"Content-Length: (\d+)", head)[1])
                await reader.readexactly(length)
                statuses.add(int(head[9:12]))

        async with asyncio.TaskGroup() as callers:
            for pair in await target.flood(32):
                _ = callers.create_task(repeat(*pair))
            while not statuses:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
            assert await target.answers() < SLOWER * before
            over.set()
        assert statuses <= {422, 429}
        assert await target.metric("spawnpenny_lease_valid") == 1


async def test_exhausted_descriptors_end_no_lease_and_fill_no_log(launch):
    async with launch(descriptors=256, deadlines={"header": 60}, replicas={"lease": 3}) as target:
        await unloaded(target)
        rows = len(target.log)
        await target.flood(400)
        began, number = time.monotonic(), 0
        while time.monotonic() < began + 4:  # longer than the Lease holds
            await target.answers(times=1)
            await target.start("bob", f"t{number}")
            number += 1
        assert await target.metric("spawnpenny_lease_valid") == 1
        assert target.descriptors <= 256
        reported = sum("listener" in line or "accept" in line for line in target.log[rows:])
        assert reported <= 5 + (time.monotonic() - began) / 10  # one in ten seconds for each of the two
        assert not any("Traceback" in line or "Too many open files" in line for line in target.log[rows:])


async def test_a_service_under_attack_ends_in_time(launch):
    async with launch(deadlines={"header": 60, "body": 60}) as target:
        await target.start("bob", "s1")
        await target.flood(MANY)
        await target.flood(50, put(1000))
        await target.end()

"""Answers and event streams that a caller does not read, or reads a byte of now and then: they end in time."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest
from aiohttp import web
from spawnpenny_dask import spawnpenny_kinds

from spawnpenny.aio.connections import Connection, ConnectionLimits, Connections
from spawnpenny.aio.unread import keep_unsent_low
from spawnpenny.api import Step, hookimpl
from spawnpenny.serving.server import CONNECTIONS, listening
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import start, start_cluster
from spawnpenny.web.app_keys import LIMITS, SERVICE

MIB = 2**20
STREAMS = ["/v1/users/ada/labs/~default/events", "/v1/users/ada/events", "/v1/users/ada/dask/c1/events"]


class Talk(Step):
    """Says as much as an event log holds, and does not come to an end."""

    name = "talk"
    kinds = frozenset({"lab", "user", "dask"})
    scope = "spawn"

    async def apply(self, spawn):
        for number in range(64):
            spawn.notify(f"{number:03d} {'x' * 400}")
        await asyncio.Event().wait()

    async def revert(self, spawn):
        """Take nothing away: it made nothing."""


class TalkPlugin:
    spawnpenny_kinds = staticmethod(spawnpenny_kinds)

    @hookimpl
    def spawnpenny_steps(self, settings):
        del settings
        return [Talk()]


async def connect(port, desired, *, buffer=4096):
    """Send a request, and return the socket, of which nothing is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.sock_sendall(
        connection, f"GET {desired} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hub-token\r\n\r\n".encode()
    )
    return connection


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", STREAMS)
async def test_an_event_stream_that_nobody_reads_is_cut_and_given_back(site, serving, path):
    site.data["deadlines"] = {"write": 1}
    site.plugins = {"talk": TalkPlugin()}
    async with serving(site) as server, server.client("hub") as hub:
        await hub.put("/v1/users/ada", json={"uid": 1000, "gid": 1000, "groups": []})
        service, streams = server.app[SERVICE], server.app[LIMITS].streams
        _ = await start_cluster(service) if "dask" in path else await start(service)
        async with hub.get(path) as read:  # one that is read goes on
            assert read.status == 200
            await read.content.readuntil(b"063 ")
            unread = await connect(server.port, path)
            await until(lambda: streams.total == 2)
            await until(lambda: streams.total == 1)
            assert not read.connection.transport.is_closing()
        unread.close()
        assert server.app[CONNECTIONS].closed["write"] == 1


async def large(request):
    del request
    return web.Response(body=bytes(4 * MIB))


class Sender(asyncio.Protocol):
    """Sends a lot at once, or more whenever there is room for it."""

    def __init__(self, more):
        self._more = more

    def connection_made(self, transport):
        self._transport = transport
        keep_unsent_low(transport.get_extra_info("socket"), 3600)  # else the system may end it first
        transport.write(bytes(4 * MIB))

    def resume_writing(self):
        if self._more:
            self._transport.write(bytes(MIB))


@pytest.mark.parametrize("more", [False, True])
async def test_a_caller_that_sips_is_cut_as_one_that_reads_nothing_is(more):
    """Each sip lets some more through: that is no reason to begin to wait anew."""
    connections, loop = Connections(ConnectionLimits(write=3.5)), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(connections, Sender(more), ""), "127.0.0.1", 0)
    cutting = asyncio.create_task(connections.run())
    async with server:
        connection = await connect(server.sockets[0].getsockname()[1], "/")
        await until(lambda: len(connections) == 1)
        async with asyncio.timeout(PATIENCE):
            while connections:
                with suppress(ConnectionError):
                    await loop.sock_recv(connection, 8000)
                await asyncio.sleep(2.9)  # which is at most 2 KiB a second, by what the buffers take
        connection.close()
    cutting.cancel()
    assert connections.closed == {"write": 1}


async def test_a_caller_on_a_slow_line_gets_all_of_a_large_answer():
    """It takes several times as long as an answer may stay unread."""
    app, connections = web.Application(), Connections(ConnectionLimits(write=2))
    app.router.add_get("/", large)
    app[CONNECTIONS] = connections
    async with listening(app, "127.0.0.1", 0) as port:
        connection, loop = await connect(port, "/", buffer=64 * 1024), asyncio.get_running_loop()
        taken, began = 0, loop.time()
        while taken < 4 * MIB:
            received = await loop.sock_recv(connection, 64 * 1024)
            assert received, taken
            taken += len(received)
            await asyncio.sleep(0.08)
        assert loop.time() - began > 4
        connection.close()
        assert not connections.closed

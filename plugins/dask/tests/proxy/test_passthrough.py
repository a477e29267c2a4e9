"""What goes through the proxy: TLS from end to end, whole, both ways, to the right scheduler alone."""

from __future__ import annotations

import asyncio
import errno
import gc
import hashlib
import os
import random
import socket
import struct
from contextlib import AsyncExitStack
from unittest.mock import Mock

import pytest
from spawnpenny_dask_proxy.limits import ProxyLimits
from spawnpenny_dask_proxy.splice import Splice

from spawnpenny.testing.patience import PATIENCE


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def digest(reader, writer):
    """Answer only once the other side has ended, as only TCP's half-close can say."""
    seen = hashlib.sha256()
    while data := await reader.read(65536):
        seen.update(data)
    writer.write(seen.digest())


async def is_closed(reader):
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.read() == b""
    except ConnectionError:
        return True


def dial(proxy, **more):
    return asyncio.open_connection("127.0.0.1", proxy.port, **more)


async def test_many_clusters_get_each_its_own_connections_whole(service, proxy, listen, server_tls, client_tls, known):
    clusters = [f"c{number}" for number in range(4)]
    seen = []

    def named(cluster):
        async def handle(reader, writer):
            seen.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.write(cluster.encode())
            await echo(reader, writer)

        return handle

    async def talk(cluster):
        # The certificate is checked: another scheduler's, or the proxy's own, would not do.
        reader, writer = await dial(proxy, ssl=client_tls, server_hostname=f"daskgateway-{cluster}")
        assert await reader.readexactly(len(cluster)) == cluster.encode()
        payload = os.urandom(random.randrange(1, 3_000_000))
        writer.write(payload)
        assert await reader.readexactly(len(payload)) == payload
        writer.close()
        await writer.wait_closed()

    async with AsyncExitStack() as stack:
        for cluster in clusters:
            port = await stack.enter_async_context(listen(named(cluster), tls=server_tls(cluster)))
            service.put(cluster, "127.0.0.1", port)
            await known(proxy, cluster)
        await asyncio.gather(*(talk(random.choice(clusters)) for _ in range(40)))
    async with asyncio.timeout(PATIENCE):
        await proxy.passthrough.empty.wait()
    assert len(seen) == 40


async def test_each_direction_ends_by_itself(service, proxy, listen, hello, known):
    async with listen(digest) as port:
        service.put("c1", "127.0.0.1", port)
        await known(proxy, "c1")
        reader, writer = await dial(proxy)
        data = hello("daskgateway-c1") + os.urandom(2_000_000)
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == hashlib.sha256(data).digest()
        writer.close()


async def test_of_a_connection_that_has_ended_nothing_is_kept(service, proxy, listen, hello, known):
    async with listen(digest) as port:
        service.put("c1", "127.0.0.1", port)
        await known(proxy, "c1")
        for _ in range(20):
            reader, writer = await dial(proxy)
            writer.write(hello("daskgateway-c1"))
            writer.write_eof()
            async with asyncio.timeout(PATIENCE):
                await reader.read()
            writer.close()
    async with asyncio.timeout(PATIENCE):
        await proxy.passthrough.empty.wait()
    gc.collect()
    assert not [found for found in gc.get_objects() if type(found) is Splice]


async def test_who_does_not_read_holds_the_other_side_back(service, proxy, listen, hello, known):
    written, size, stuck = 0, 64 * 1024 * 1024, asyncio.Event()

    async def flood(reader, writer):
        nonlocal written
        await reader.read(1)
        for number in range(size // 65536):
            writer.write(struct.pack(">I", number) * 16384)
            written += 65536
            try:
                async with asyncio.timeout(0.5):
                    await writer.drain()
            except TimeoutError:
                stuck.set()
                await writer.drain()

    async with listen(flood) as port:
        service.put("c1", "127.0.0.1", port)
        await known(proxy, "c1")
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=65536)
        writer.write(hello("daskgateway-c1"))
        assert await reader.readexactly(4) == struct.pack(">I", 0)
        await asyncio.wait_for(stuck.wait(), PATIENCE)
        assert written < size / 2  # what is under way is in the kernels' buffers, and bounded here
        taken = 4
        while data := await reader.read(1 << 20):
            taken += len(data)
        assert taken == size
        writer.close()


@pytest.fixture(params=["as many as there are", "none", "not for sockets"])
def pipes(request, proxy, monkeypatch):
    """Give the proxy pipes, none, or those of a sandbox, which does not let them go together with sockets."""
    if request.param == "none":
        proxy.passthrough.splicing.pipes._most = 0
    refusal = OSError(errno.EINVAL, "Invalid argument") if request.param == "not for sockets" else None
    splice = Mock(wraps=os.splice, side_effect=refusal)
    monkeypatch.setattr("os.splice", splice)
    yield
    assert {"as many as there are": splice.call_count > 1, "none": splice.call_count == 0}.get(
        request.param, splice.call_count == 1
    )


@pytest.mark.usefixtures("pipes")
async def test_all_bytes_arrive_in_order_both_ways_at_once(service, proxy, listen, hello, known):
    async with listen(echo) as port:
        service.put("c1", "127.0.0.1", port)
        await known(proxy, "c1")
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=4096)
        sent, received, size = hashlib.sha256(), hashlib.sha256(), 0

        async def send():
            nonlocal size
            for number in range(400):
                data = os.urandom(random.choice([1, 500, 70_000, 300_000])) if number else hello("daskgateway-c1")
                sent.update(data)
                size += len(data)
                writer.write(data)
                await writer.drain()
            writer.write_eof()

        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(send())
            taken = 0
            while data := await reader.read(random.choice([1, 4096, 1 << 20])):
                received.update(data)
                taken += len(data)
        assert (taken, received.digest()) == (size, sent.digest())
        writer.close()


@pytest.mark.parametrize("who", ["client", "route", "scheduler"])
async def test_nothing_is_left_of_transfers_that_break_off(service, proxy, listen, hello, known, who):
    pipes, floods = proxy.passthrough.splicing.pipes, []
    pipes._most = 4

    async def flood(reader, writer):
        floods.append(writer)
        await reader.read(1)
        while True:
            writer.write(bytes(1 << 20))
            await writer.drain()

    async with listen(flood) as port:
        service.put("c1", "127.0.0.1", port)
        await known(proxy, "c1")
        clients = [await asyncio.open_connection("127.0.0.1", proxy.port, limit=4096) for _ in range(8)]
        for reader, writer in clients:
            writer.write(hello("daskgateway-c1"))
            await reader.readexactly(100_000)
        async with asyncio.timeout(PATIENCE):
            while pipes._free or pipes._made < 4:  # noqa: ASYNC110 - until each is lent to one that is stuck
                await asyncio.sleep(0)
        for writer in {"client": [writer for _, writer in clients], "scheduler": floods}.get(who, ()):
            writer.transport.abort()
        if who == "route":
            service.remove("c1")
        await asyncio.gather(*(is_closed(reader) for reader, _ in clients))
        for _, writer in clients:
            writer.close()
        await asyncio.wait_for(proxy.passthrough.empty.wait(), PATIENCE)
        assert pipes._made == len(pipes._free)


@pytest.mark.parametrize("address", ["localhost", "", "127.0.0.1:80", "127.1", None, 1.5])
async def test_a_route_to_a_name_is_none(service, proxy, known, address):
    service.put("c1", address, 8786)
    service.put("c2", "::1", 8786)
    await known(proxy, "c2")
    assert proxy.table.get("c1") is None


async def test_a_hello_may_be_slow_and_a_connection_without_one_is_closed(service, proxying, listen, hello, known):
    async with listen(echo) as port, proxying(ProxyLimits(hello=3)) as proxy:
        service.put("c1", "127.0.0.1", port)
        await known(proxy, "c1")
        reader, writer = await dial(proxy)
        data = hello("daskgateway-c1")
        for piece in data[:20], data[20:300]:
            writer.write(piece)
            with pytest.raises(TimeoutError):  # so that each comes alone
                await asyncio.wait_for(reader.readexactly(1), 0.05)
        writer.write(data[300:])
        assert await reader.readexactly(len(data)) == data
        writer.close()
        silent, silent_writer = await dial(proxy)
        silent_writer.write(data[:100])
        assert await is_closed(silent)
        silent_writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: daskgateway-c1\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + bytes(100),
        b"\x00" * 1000,
        None,
        "daskgateway-other",
        "c1",
        "daskgateway-c1.example.org",
    ],
    ids=["http", "large record", "zeros", "no name", "unknown", "no prefix", "longer"],
)
async def test_what_names_no_cluster_is_closed_and_reaches_nobody(service, proxying, listen, hello, known, sent):
    reached = []

    async def note(reader, writer):
        reached.append(await reader.read(10))

    async with listen(note) as port, proxying(ProxyLimits(unknown=0.05)) as proxy:
        service.put("c1", "127.0.0.1", port)
        await known(proxy, "c1")
        reader, writer = await dial(proxy)
        writer.write(sent if isinstance(sent, bytes) else hello(sent))
        assert await is_closed(reader)
        writer.close()
    assert reached == []


async def test_a_connection_that_comes_before_its_route_is_held_until_the_route_is_known(service, proxy, listen, hello):
    async with listen(echo) as port:
        reader, writer = await dial(proxy)
        data = hello("daskgateway-c1")
        writer.write(data)
        async with asyncio.timeout(PATIENCE):
            while not proxy.table._held:  # noqa: ASYNC110 - nothing else tells that somebody waits
                await asyncio.sleep(0)
        service.put("c1", "127.0.0.1", port)
        async with asyncio.timeout(PATIENCE):
            assert await reader.readexactly(len(data)) == data
        writer.close()


@pytest.mark.parametrize("how", ["gone", "another pod"])
async def test_connections_of_a_route_that_is_no_more_are_cut_and_no_others(service, proxy, listen, hello, known, how):
    async with listen(echo) as port:
        streams = {}
        for cluster in ("c1", "c2"):
            service.put(cluster, "127.0.0.1", port)
            await known(proxy, cluster)
            data = hello(f"daskgateway-{cluster}")
            streams[cluster] = reader, writer = await dial(proxy)
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
        if how == "gone":
            service.remove("c1")
        else:
            service.put("c1", "127.0.0.1", port, uid="uid-2")
        assert await is_closed(streams["c1"][0])
        reader, writer = streams["c2"]
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        for _, writer in streams.values():
            writer.close()


async def test_a_scheduler_that_is_not_there_or_resets_closes_the_connection(service, proxy, listen, hello, known):
    async def reset(reader, writer):
        await reader.read(1)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        service.put("c1", "127.0.0.1", free.getsockname()[1])
        async with listen(reset) as port:
            service.put("c2", "127.0.0.1", port)
            await known(proxy, "c2")
            for cluster in ("c1", "c2"):
                reader, writer = await dial(proxy)
                writer.write(hello(f"daskgateway-{cluster}"))
                assert await is_closed(reader)
                writer.close()


async def test_one_address_and_one_cluster_cannot_take_all_connections(service, proxying, listen, hello, known):
    limits = ProxyLimits(of_cluster=2, of_address=3, unknown=0.05)
    async with listen(echo) as port, proxying(limits) as proxy, AsyncExitStack() as stack:

        async def come(cluster=None):
            reader, writer = await dial(proxy)
            stack.callback(writer.close)
            data = hello(f"daskgateway-{cluster}") if cluster else b""
            writer.write(data)
            return reader, data

        for cluster in ("c1", "c2"):
            service.put(cluster, "127.0.0.1", port)
            await known(proxy, cluster)
        for reader, data in [await come("c1"), await come("c1")]:
            assert await reader.readexactly(len(data)) == data
        assert await is_closed((await come("c1"))[0])
        reader, data = await come("c2")
        assert await reader.readexactly(len(data)) == data
        for _ in range(3):  # who has not said where to yet
            await come()
        assert await is_closed((await come("c2"))[0])


async def test_who_says_nothing_gives_way_to_who_comes_after(service, proxying, listen, hello, known):
    async with listen(echo) as port, proxying(ProxyLimits(greeting=2)) as proxy, AsyncExitStack() as stack:
        service.put("c1", "127.0.0.1", port)
        await known(proxy, "c1")
        silent = [await dial(proxy) for _ in range(2)]
        reader, writer = await dial(proxy)
        for _, stream in (*silent, (reader, writer)):
            stack.callback(stream.close)
        data = hello("daskgateway-c1")
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        assert await is_closed(silent[0][0])
        silent[1][1].write(data)
        assert await silent[1][0].readexactly(len(data)) == data


async def test_what_is_known_stays_while_the_service_is_away_and_is_put_right_when_it_is_back(
    service, proxy_at, listen, hello, known
):
    data = hello("daskgateway-c1")
    async with AsyncExitStack() as stack, listen(echo) as port:
        service.put("c1", "127.0.0.1", port)
        first = AsyncExitStack()
        where = await first.enter_async_context(service.serving())
        proxy = await stack.enter_async_context(proxy_at(where))
        await known(proxy, "c1")
        await first.aclose()
        service.routes["c2"] = service.routes.pop("c1")
        reader, writer = await dial(proxy)
        stack.callback(writer.close)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        await stack.enter_async_context(service.serving(where))
        assert await is_closed(reader)
        await known(proxy, "c2")

"""Asks the HTTP API of a gateway as often as it answers, over sockets of its own: a client library would be timed too.

A place is as ``dask_user.py`` has it, with the address that is to be asked.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CLUSTERS = "/api/v1/clusters/"
LOOK = 0.25
PATIENCE = 60


class Connection:
    """One connection, kept alive; it shows the cookie that it has been given, or else the password."""

    def __init__(self, place, reader, writer):
        self._url = urlsplit(place["address"])
        named = base64.b64encode(f"{place['user']}:{place['password']}".encode()).decode()
        self._shown = f"Authorization: Basic {named}"
        self._reader = reader
        self._writer = writer

    async def ask(self, method, path, body=None):
        """Return what is answered."""
        data = b"" if body is None else json.dumps(body).encode()
        request = [f"{method} {self._url.path}{path} HTTP/1.1", f"Host: {self._url.netloc}", self._shown]
        request += ["Content-Type: application/json", f"Content-Length: {len(data)}"] if data else []
        self._writer.write("\r\n".join([*request, "", ""]).encode() + data)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
        answer = await self._reader.readexactly(int(headers.get("content-length", 0)))
        status = int(head[0].split()[1])
        assert status < 300, (status, answer)
        for line in head:
            if line.lower().startswith("set-cookie: "):
                self._shown = "Cookie: " + line.split(": ", 1)[1].split(";")[0]
        return answer


@asynccontextmanager
async def connected(place):
    url = urlsplit(place["address"])
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=2**22)
    try:
        yield Connection(place, reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def start(places, count):
    """Start so many clusters for each place, one after the other, and wait until all run.

    Return the seconds that each POST took, and those that somebody else waited for an answer meanwhile.
    """
    return asyncio.run(_start(places, count))


async def _start(places, count):
    posts, waits = [], []
    bystander = asyncio.ensure_future(_wait(places[0], waits))
    for place in places:
        async with connected(place) as connection:
            for _ in range(count):
                began = time.perf_counter()
                await connection.ask("POST", CLUSTERS, {"cluster_options": place["options"]})
                posts.append(time.perf_counter() - began)
    bystander.cancel()
    async with asyncio.timeout(PATIENCE):
        for place in places:
            await _until_running(place, count)
    return {"posts": posts, "waits": waits}


async def _until_running(place, count):
    async with connected(place) as connection:
        while len(await _listed(connection, "running")) < count:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(LOOK)


async def _wait(place, waits):
    async with connected(place) as connection:
        while True:
            began = time.perf_counter()
            await connection.ask("GET", "/api/version")
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)


async def _listed(connection, status):
    return json.loads(await connection.ask("GET", f"{CLUSTERS}?status={status}"))


def rate(places, connections, seconds):
    """List the clusters of all places over so many connections each, for so long: lists a second, bytes of each."""
    return asyncio.run(_rate(places, connections, seconds))


async def _rate(places, connections, seconds):
    counts, sizes = [], []
    end = time.perf_counter() + seconds

    async def ask(place):
        async with connected(place) as connection:
            count = 0
            while time.perf_counter() < end:
                sizes.append(len(await connection.ask("GET", CLUSTERS)))
                count += 1
            counts.append(count)

    began = time.perf_counter()
    await asyncio.gather(*(ask(place) for place in places for _ in range(connections)))
    return {"rate": sum(counts) / (time.perf_counter() - began), "bytes": max(sizes)}


def stop(places):
    """Stop all clusters of all places."""
    asyncio.run(_stop(places))


async def _stop(places):
    for place in places:
        async with connected(place) as connection:
            for name in await _listed(connection, "pending,running"):
                await connection.ask("DELETE", f"{CLUSTERS}{name}")

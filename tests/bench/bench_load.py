"""2,000 event streams, half of them unread, then 200 callers and 100 labs beside them: what a service makes of it.

The service is its own process on the embedded cluster, whose labs run on this machine too: what the labs take of the
processor, the callers do not get. So times are told as ratios to those of the same callers with no stream open.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp
import psutil
import pytest
import yaml

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.testing.site import SMALL_LAB

USERS = [f"user{number:03}" for number in range(200)]
STREAMS_PER_USER = 10
CALLERS, CALLS = 200, 5  # at the least
LABS, AT_ONCE = 100, 20
HUB = {"Authorization": "Bearer hub"}
MIB = 2**20


@dataclass
class Service:
    """A service that runs, and its process."""

    port: int
    process: psutil.Process

    @property
    def cpu(self):
        used = self.process.cpu_times()
        return used.user + used.system

    def report(self, what):
        load = "/".join(f"{average:.1f}" for average in os.getloadavg())
        memory = self.process.memory_info().rss / MIB
        print(f"  {what}: {memory:.0f} MiB, {self.process.num_fds()} descriptors; load average {load}")

    def client(self):
        connector, patience = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
        return aiohttp.ClientSession(
            f"http://127.0.0.1:{self.port}", headers=HUB, connector=connector, timeout=patience
        )


@pytest.fixture
async def service(tmp_path):
    image = {"spawnpenny/lab": list(SMALL_LAB), "never": ["sleep", "3600"]}
    settings = {
        "cluster": "embedded",
        "web": {"host": "127.0.0.1", "port": 0},
        "deadlines": {"spawn": 3000, "write": 3000},  # the machine may be slow, and unread streams are to stay
        "limits": {"streams": len(USERS) * STREAMS_PER_USER, "spawning": len(USERS) + LABS},
        "embedded": {"folder": str(tmp_path / "cluster"), "images": image},
        "plugins": {
            "namespace": {},
            "quota": {},
            "user": {},
            "lab": {"images": {"default": "spawnpenny/lab", "never": "never"}, "grace": 1},
        },
        "tokens": {"hub": {"sha256": hash_token("hub"), "scopes": ["spawn:any", "read:any", "delete:any"]}},
    }
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spawnpenny", "serve", "--settings", str(file), "--log-level", "WARNING"),
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    port = await listening(process.pid)
    following = asyncio.create_task(process.stderr.read())
    yield Service(port, psutil.Process(process.pid))
    with suppress(ProcessLookupError):
        process.terminate()
    await process.wait()
    await following


async def listening(pid):
    """Return the port on which a process listens, once it does."""
    while True:
        with suppress(psutil.Error):
            ports = [
                connection.laddr.port
                for connection in psutil.Process(pid).net_connections()
                if connection.status == "LISTEN"
            ]
            if ports:
                return ports[0]
        await asyncio.sleep(0.1)


async def bench_streams_callers_and_labs(service):
    async with service.client() as client:
        while (await client.get("/readyz")).status != 200:  # noqa: ASYNC110 - it is asked as a probe does
            await asyncio.sleep(0.1)
        print()
        service.report("idle")
        await limited(*(start(client, user, "never") for user in USERS))
        unloaded, cpu = await call(service, client)
        print(f"  {CALLERS} callers, no stream: median {unloaded * 1e3:.0f} ms, {cpu * 1e3:.2f} ms of CPU an answer")
        service.report(f"{len(USERS)} labs that do not get ready")
        async with streams(service) as (reading, sockets):
            service.report(f"{len(reading)} streams read, {len(sockets)} unread")
            more = await client.get(events(USERS[0]))
            print(f"  one more stream: {more.status}")
            labs = asyncio.create_task(run_labs(client))
            loaded, dearer = await call(service, client, until=labs)
            print(
                f"  {CALLERS} callers beside {LABS} labs: median {loaded * 1e3:.0f} ms ({loaded / unloaded:.1f} x), "
                f"{dearer * 1e3:.2f} ms of CPU an answer ({dearer / cpu:.1f} x)"
            )
            print(f"  {LABS} labs, {AT_ONCE} at once: {await labs:.1f} s in the median until one runs")
            service.report("with all of it")
        await limited(*(stop(client, user, lab) for user in USERS for lab in ("never", "runs")))
        service.report("all stopped")


async def limited(*work, at_once=AT_ONCE):
    gate = asyncio.Semaphore(at_once)

    async def one(coroutine):
        async with gate:
            return await coroutine

    return await asyncio.gather(*(one(coroutine) for coroutine in work))


def lab(user, name="never"):
    return f"/v1/users/{user}/labs/{name}"


def events(user, name="never"):
    return f"{lab(user, name)}/events"


async def start(client, user, image):
    name = "never" if image == "never" else "runs"
    async with client.put(lab(user, name), json={"start": "s", "options": {"image": image}}) as answer:
        assert answer.status == 202, await answer.text()


async def stop(client, user, name):
    async with client.delete(lab(user, name), params={"wait": 60}) as answer:
        assert answer.status in {202, 204}, await answer.text()


async def call(service, client, until=None):
    """Have all callers ask in a loop, and until a task is done; return the median of the seconds, and CPU an answer."""
    taken, before = [], service.cpu

    async def caller(user):
        calls = 0
        while calls < CALLS or (until is not None and not until.done()):
            calls += 1
            began = time.perf_counter()
            async with client.get(f"/v1/users/{user}/labs") as answer:
                assert answer.status == 200
                await answer.read()
            taken.append(time.perf_counter() - began)

    await asyncio.gather(*(caller(USERS[number % len(USERS)]) for number in range(CALLERS)))
    return statistics.median(taken), (service.cpu - before) / len(taken)


async def run_labs(client):
    """Start labs, and return the median of the seconds until one runs."""

    async def one(user):
        began = time.perf_counter()
        await start(client, user, "default")
        while True:  # by looking: the streams are all taken
            async with client.get(lab(user, "runs")) as answer:
                phase = (await answer.json())["phase"]
            if phase == "running":
                return time.perf_counter() - began
            assert phase in {"requested", "pending"}, phase
            await asyncio.sleep(0.5)

    return statistics.median(await limited(*(one(user) for user in USERS[:LABS])))


@asynccontextmanager
async def streams(service):
    """Open as many streams as there may be, half of them never read."""
    async with service.client() as client:
        half = [user for user in USERS for _ in range(STREAMS_PER_USER // 2)]
        reading = await limited(*(followed(client, user) for user in half))
        sockets = await limited(*(unread(service.port, user) for user in half))
        while await open_streams(client) < len(USERS) * STREAMS_PER_USER:  # noqa: ASYNC110 - it is asked from outside
            await asyncio.sleep(0.2)
        yield reading, sockets
        for connection in sockets:
            connection.close()
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)


async def followed(client, user):
    """Open a stream; return the task that reads it."""
    opened = asyncio.get_running_loop().create_future()

    async def read():
        async with client.get(events(user)) as stream:
            assert stream.status == 200
            opened.set_result(None)
            async for _ in stream.content:
                pass

    task = asyncio.create_task(read())
    await opened
    return task


async def unread(port, user):
    """Ask for a stream; return the socket, of which nothing is read."""
    loop, made = asyncio.get_running_loop(), socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    await loop.sock_connect(made, ("127.0.0.1", port))
    head = f"GET {events(user)} HTTP/1.1\r\nHost: x\r\nAuthorization: {HUB['Authorization']}\r\n\r\n"
    await loop.sock_sendall(made, head.encode())
    return made


async def open_streams(client):
    async with client.get("/metrics") as answer:
        samples = (await answer.text()).splitlines()
    return sum(float(line.split()[-1]) for line in samples if line.startswith("spawnpenny_event_streams_open"))

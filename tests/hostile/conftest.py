"""A service as its own process on the embedded cluster, and callers who mean it no good."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import statistics
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import yaml

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import SMALL_LAB

ALL = os.environ.get("SPAWNPENNY_TEST_ALL") == "1"
SCOPES = {"ada": ["spawn:self"], "bob": ["spawn:self"]}
DEADLINES = {"header": 1, "body": 2, "idle": 1.5, "write": 1.5}
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Target:
    """A running service, and what it uses."""

    port: int
    process: asyncio.subprocess.Process
    log: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def memory(self):
        """Bytes of memory that are resident."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE

    @property
    def descriptors(self):
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def client(self, user=None):
        headers = {"Authorization": f"Bearer {user}-token"} if user else {}
        return aiohttp.ClientSession(f"http://127.0.0.1:{self.port}", headers=headers)

    async def connect(self, sent=b"", *, buffer=None):
        """Connect, send something, and return reader and writer."""
        made = socket.socket()
        if buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=made, limit=1024 if buffer else 2**16)
        self.writers.append(writer)
        writer.write(sent)
        return reader, writer

    def hang_up(self):
        """End all connections that were made, as callers that have had enough."""
        for writer in self.writers:
            writer.transport.abort()

    async def until_closed(self):
        """Wait until the service has no connections but the one that asks for that."""
        while await self.metric("spawnpenny_connections_open") > 1:  # noqa: ASYNC110 - it is asked from outside
            await asyncio.sleep(0.1)

    async def flood(self, count, sent=b"", **more):
        """Make many connections, some at once."""
        gate = asyncio.Semaphore(50)

        async def one():
            async with gate:
                return await self.connect(sent, **more)

        return await asyncio.gather(*(one() for _ in range(count)))

    async def answers(self, user="bob", times=9):
        """Ask as another user and for readiness, and return the median of the seconds; each answer has to be 200."""
        taken = []
        async with self.client(user) as client:
            for _ in range(times):
                began = time.monotonic()
                for path in ("/readyz", f"/v1/users/{user}/labs"):
                    async with client.get(path) as answer:
                        assert answer.status == 200, await answer.text()
                taken.append(time.monotonic() - began)
        return statistics.median(taken)

    async def metric(self, name):
        """Return the value of a metric, 0 where there is none."""
        async with self.client() as client, client.get("/metrics") as answer:
            rows = (await answer.text()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in rows if line.startswith(name))

    async def end(self):
        """End it as Kubernetes does, if it has not ended; that has to go well, and in time."""
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await self.process.wait() == 0, "".join(self.log[-20:])

    async def start(self, user, start):
        """Start a user's lab, and return once it runs."""
        path = f"/v1/users/{user}/labs/~default"
        async with self.client(user) as client:
            async with client.put(f"{path}?replace=true", json={"start": start}) as answer:
                assert answer.status == 202, await answer.text()
            async with client.get(f"{path}/events") as stream:
                reported = [json.loads(line[6:]) async for line in stream.content if line.startswith(b"data: ")]
        assert reported[-1].get("phase") == "running", reported[-1]


async def _follow(target, stream):
    async for line in stream:
        target.log.append(line.decode())


async def _until_listening(target):
    async for line in target.process.stderr:
        target.log.append(line.decode())
        if '"listening"' in line.decode():
            return json.loads(line)["port"]
    raise AssertionError("".join(target.log))


@pytest.fixture
def launch(tmp_path):
    """Return what runs a service, with some settings of its own, until the context ends."""

    @asynccontextmanager
    async def run(*, descriptors=None, **sections):
        file = tmp_path / "settings.yaml"
        file.write_text(yaml.safe_dump({**_settings(tmp_path), **sections}))
        process = await _started(file, descriptors)
        target = Target(0, process)
        target.port = await _until_listening(target)
        following = asyncio.create_task(_follow(target, process.stderr))
        try:
            async with target.client() as client:
                while (await client.get("/readyz")).status != 200:  # noqa: ASYNC110 - it is asked as a probe does
                    await asyncio.sleep(0.05)
            yield target
            target.hang_up()  # else its end would wait for what they began
            await target.end()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            target.hang_up()
            await following

    return run


def _settings(folder):
    tokens = {
        name: {"sha256": hash_token(f"{name}-token"), "scopes": scopes, "user": name} for name, scopes in SCOPES.items()
    }
    return {
        "cluster": "embedded",
        "web": {"host": "127.0.0.1", "port": 0},
        "deadlines": DEADLINES,
        "replicas": {"lease": 6},
        "embedded": {"folder": str(folder / "cluster"), "images": {"spawnpenny/lab": list(SMALL_LAB)}},
        "plugins": {
            "namespace": {},
            "quota": {},
            "user": {},
            "lab": {"images": {"default": "spawnpenny/lab"}},
            "dask": {},
        },
        "tokens": tokens,
    }


async def _started(file, descriptors):
    def bound():
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors // 2, descriptors))

    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spawnpenny", "serve", "--settings", str(file)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=bound,
    )

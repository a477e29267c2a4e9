"""For the benchmarks: what they print is not to be lost in the log, nor the log to be timed. And the gateways."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
import structlog

from spawnpenny.testing.ports import LOOPBACK, free_ports
from spawnpenny.testing.processes import ProcessError, Processes

HERE = Path(__file__).parent
USERS = [f"user{number}" for number in range(5)]
OURS = "spawnpenny"
THEIRS = "dask-gateway-server"
LIKE_OURS = "the same, workers as ours"
PATIENCE = 60
LIGHT_SCHEDULER = HERE / "light_scheduler.py"


@pytest.fixture(autouse=True)
def quiet_log(logs_as_they_were):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@dataclass(frozen=True)
class MeasuredGateway:
    """A gateway that runs, as its users reach it.

    Attributes:
        straight: The address of its API with no proxy in between.
        pid: Its server's process, of which all that it starts is a descendant.
        proxy: The process that TLS goes through.
        light: The options with which no scheduler starts but a stand-in.

    """

    name: str
    address: str
    straight: str
    proxy_address: str
    pid: int
    proxy: int
    options: dict = field(default_factory=dict)
    light: dict = field(default_factory=dict)

    def place(self, user=USERS[0], **more):
        """Return what ``dask_user.py`` takes."""
        named = {"address": self.address, "proxy_address": self.proxy_address, "options": self.options}
        return {**named, "user": user, "password": f"{user}-token", **more}

    async def settle(self):
        """Wait until no process of any cluster is left, so that the next measurement has the machine for itself."""
        end = time.monotonic() + PATIENCE
        while self.pods():
            assert time.monotonic() < end, f"{self.name} still has {self.pods()}"
            await asyncio.sleep(0.05)

    def pods(self):
        """Return the processes of all clusters."""
        return [process for process in psutil.Process(self.pid).children(recursive=True) if is_pod(process)]


def is_pod(process):
    with suppress(psutil.Error):
        line = " ".join(process.cmdline())
        return "distributed.cli" in line or "light_scheduler" in line or "multiprocessing" in line
    return False


@pytest.fixture
async def gateways(tmp_path):
    """Run both gateways; theirs is there twice, once with its workers as it starts them and once with them as ours."""
    with tempfile.TemporaryDirectory() as short:  # a worker's sockets have paths that must not be long
        async with theirs(Path(short)) as theirs_, ours(tmp_path) as ours_:
            like_ours = replace(theirs_, name=LIKE_OURS, options={"bare_workers": True})
            yield [theirs_, like_ours, ours_]


@asynccontextmanager
async def theirs(folder):
    """Run dask-gateway-server with its proxy, as processes."""
    api, http, tls = free_ports(3)
    env = {
        **os.environ,
        "BENCH_API_PORT": str(api),
        "BENCH_HTTP_PORT": str(http),
        "BENCH_TLS_PORT": str(tls),
        "BENCH_FOLDER": str(folder),
        "BENCH_LIGHT_SCHEDULER": str(LIGHT_SCHEDULER),
    }
    argv = [sys.executable, "-m", "dask_gateway_server", "-f", str(HERE / "dask_gateway_config.py")]
    with Processes(folder) as processes, swept(processes):
        processes.start("dask-gateway-server", argv, env=env, cwd=folder)
        address = f"http://{LOOPBACK}:{http}"
        up = partial(answers, f"{address}/api/version")
        await asyncio.to_thread(processes.wait_until, up, "dask-gateway-server", seconds=PATIENCE)
        pid = processes.pid("dask-gateway-server")
        (proxy,) = psutil.Process(pid).children()
        yield MeasuredGateway(
            name=THEIRS,
            address=address,
            straight=f"http://{LOOPBACK}:{api}",
            proxy_address=f"gateway://{LOOPBACK}:{tls}",
            pid=pid,
            proxy=proxy.pid,
            light={"light": True},
        )


@contextmanager
def swept(processes):
    """End a server as an administrator does, and what it leaves."""
    try:
        yield
    finally:
        with suppress(ProcessError):
            pid = processes.pid("dask-gateway-server")
            left = psutil.Process(pid).children(recursive=True)
            processes.end("dask-gateway-server", signal.SIGTERM, seconds=30)
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()


@asynccontextmanager
async def ours(folder):
    """Run our service, the embedded cluster with it, and our proxy, as processes."""
    settings = {"folder": str(folder), "users": USERS, "light": str(LIGHT_SCHEDULER)}
    with (folder / "ours.log").open("wb") as log:
        pipe = asyncio.subprocess.PIPE
        argv = [sys.executable, str(HERE / "dask_ours.py"), json.dumps(settings)]
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=pipe, stdout=pipe, stderr=log, start_new_session=True
        )
    try:
        line = await process.stdout.readline()
        assert line, (folder / "ours.log").read_text()[-2000:]
        reached = json.loads(line)
        yield MeasuredGateway(
            name=OURS,
            address=reached["address"],
            straight=reached["address"],
            proxy_address=reached["proxy_address"],
            pid=process.pid,
            proxy=reached["proxy"],
            light={"image": "bench/light"},
        )
    finally:
        process.stdin.close()
        await process.communicate()


def answers(url):
    """Whether an HTTP server is up."""
    with suppress(OSError), urlopen(url, timeout=1):
        return True
    return False

"""What TLS to a scheduler costs through ``spawnpenny proxy``, through dask-gateway's own proxy, and with none.

Both know the way from the service of this benchmark, each by the route that it asks for. Run with ``make bench``.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from spawnpenny.serving.server import listening
from spawnpenny.testing.dask import DaskProxy
from spawnpenny.testing.notebook import CellError, Notebook
from spawnpenny.testing.ports import LOOPBACK, free_ports
from spawnpenny.testing.processes import Processes

HERE = Path(__file__).parent
CLUSTERS = [f"bench{number}" for number in range(10)]
MEGABYTES = 500
ROUNDS = 5
CONNECTS = 200
IDLE = 1000
TOKEN = "the-proxys-token"


@dataclass(frozen=True)
class Way:
    """A port that leads to the sink, and the process behind it, if there is one."""

    port: int
    process: psutil.Process | None = None

    def spent(self):
        return sum(self.process.cpu_times()[:2]) if self.process else 0.0

    def megabytes(self):
        return self.process.memory_info().rss / 1e6 if self.process else 0.0


@pytest.fixture
async def load(tmp_path):
    async with Notebook(tmp_path / "notebook", env={"PYTHONPATH": str(HERE)}) as notebook:
        await notebook.run("from proxy_load import connects, hold, receive, send")
        yield notebook


@pytest.fixture
async def ways(tmp_path):
    """Run the sink and both proxies."""
    with Processes(tmp_path) as processes:
        sink, api, http, tls = free_ports(4)
        processes.start("sink", [sys.executable, str(HERE / "proxy_sink.py"), str(sink)])
        async with service(sink, api) as url, DaskProxy(tmp_path, url, TOKEN) as ours:
            program = Path(find_spec("dask_gateway_server").origin).with_name("proxy") / "dask-gateway-proxy"
            listening_at = ["-address", f"{LOOPBACK}:{http}", "-tcp-address", f"{LOOPBACK}:{tls}"]
            argv = [str(program), *listening_at, "-api-url", f"{url}/api/v1/routes", "-log-level", "warn"]
            processes.start("theirs", argv, env={**os.environ, "DASK_GATEWAY_PROXY_TOKEN": TOKEN})
            yield {
                "direct": Way(sink),
                "dask-gateway-proxy": Way(tls, psutil.Process(processes.pid("theirs"))),
                "spawnpenny proxy": Way(ours.port, psutil.Process(ours.pid)),
            }


@asynccontextmanager
async def service(sink, port):
    """Tell both proxies the way to the sink; nothing ever changes."""
    closing = asyncio.Event()

    async def ours(request):
        route = {"user": "ada", "uid": "1", "address": LOOPBACK, "tls": sink, "dashboard": None}
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        routes = json.dumps(dict.fromkeys(CLUSTERS, route))
        await response.write(f"event: routes\ndata: {routes}\n\n".encode())
        await closing.wait()
        return response

    async def theirs(request):
        if "watch" not in request.query:
            routes = [{"kind": "SNI", "sni": cluster, "target": f"tls://{LOOPBACK}:{sink}"} for cluster in CLUSTERS]
            return web.json_response({"routes": routes, "id": len(routes)})
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await closing.wait()
        return response

    async def close(_):
        closing.set()

    app = web.Application()
    app.router.add_get("/v1/routes", ours)
    app.router.add_get("/api/v1/routes", theirs)
    app.on_shutdown.append(close)
    async with listening(app, LOOPBACK, port):
        yield f"http://{LOOPBACK}:{port}"


async def bench_proxy(ways, load):
    """Send and receive much, and connect often, with a thousand other connections open."""
    for way in ways.values():
        await until_it_leads(load, way)
    empty = {name: way.megabytes() for name, way in ways.items()}
    rates = {name: {"send": [], "receive": []} for name in ways}
    spent = dict.fromkeys(ways, 0.0)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            before = way.spent()
            for what, found in rates[name].items():
                took = await load.run(f"{what}({way.port}, {CLUSTERS[0]!r}, {MEGABYTES}_000_000)")
                found.append(MEGABYTES / took)
            spent[name] += way.spent() - before
    for what in ("send", "receive"):
        print(f"\n{MEGABYTES} MB, {what} (MB/s)              min  median     max   of direct")
        direct = statistics.median(rates["direct"][what])
        for name, found in rates.items():
            low, median, high = min(found[what]), statistics.median(found[what]), max(found[what])
            print(f"  {name:30} {low:7.0f} {median:7.0f} {high:7.0f} {median / direct:10.2f}")
    for name, seconds in spent.items():
        print(f"CPU of {name}: {seconds / (2 * ROUNDS * MEGABYTES / 1000):.2f} s a GB")
    await connects(ways, load, empty)


async def connects(ways, load, empty):
    alone = await connect_times(ways, load)
    await load.run("held = []")
    for way in ways.values():
        await load.run(f"held += hold({way.port}, {CLUSTERS!r}, {IDLE})")
    full = {name: way.megabytes() for name, way in ways.items()}
    crowded = await connect_times(ways, load)
    print(
        f"\nconnect to answer (ms)          alone: median   p99   beside {IDLE}: median   p99   MB: empty, {IDLE} open"
    )
    for name in ways:
        (one, one_p99), (many, many_p99) = milliseconds(alone[name]), milliseconds(crowded[name])
        memory = f"{empty[name]:9.1f} {full[name]:7.1f}" if empty[name] else ""
        print(f"  {name:30} {one:14.2f} {one_p99:5.2f} {many:21.2f} {many_p99:5.2f} {memory}")


async def connect_times(ways, load):
    seconds = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            seconds[name] += await load.run(f"connects({way.port}, {CLUSTERS!r}, {CONNECTS})")
    return seconds


def milliseconds(seconds):
    return statistics.median(seconds) * 1000, statistics.quantiles(seconds, n=100)[-1] * 1000


async def until_it_leads(load, way):
    """Wait until a proxy knows the way."""
    for _ in range(100):
        try:
            await load.run(f"connects({way.port}, {CLUSTERS!r}, 4)")
        except CellError:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError(way)

"""What a user does with a gateway, and how long it takes: by dask-gateway's own client, unmodified, in a notebook.

A place is what ``bench_dask.py`` measures: ``address``, ``proxy_address``, ``user``, ``password``, ``options``.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from urllib.request import urlopen

from dask_gateway import BasicAuth, Gateway
from distributed import Client
from distributed.security import Security

LOOK = 0.01
PATIENCE = 60


def one_cluster(place):
    """Start a cluster, have a result of its first worker, and then four workers: the seconds of each."""
    with gateway_at(place) as gateway:
        began = time.perf_counter()
        cluster = gateway.new_cluster(**place["options"])
        running = time.perf_counter()
        with cluster, cluster.get_client() as client:
            return {"running": running - began, **scaled(client, cluster.scale)}


def scaled(client, scale):
    """Have one worker and its result, then four."""
    began = time.perf_counter()
    scale(1)
    assert client.submit(pow, 2, 5).result(timeout=PATIENCE) == 32
    first = time.perf_counter()
    scale(4)
    until(lambda: len(client.nthreads()) == 4)
    return {"result": first - began, "four": time.perf_counter() - first}


def many_at_once(place, count):
    """Start so many clusters at once, and have a result in each: the seconds of both."""
    return asyncio.run(_many_at_once(place, count))


async def _many_at_once(place, count):
    async with Gateway(**_arguments(place), asynchronous=True) as gateway:
        began = time.perf_counter()
        clusters = await asyncio.gather(*(gateway.new_cluster(**place["options"]) for _ in range(count)))
        running = time.perf_counter()
        clients = [await cluster.get_client() for cluster in clusters]
        await asyncio.gather(*(_result(*pair) for pair in zip(clusters, clients, strict=True)))
        times = {"running": running - began, "result": time.perf_counter() - running}
        for client in clients:
            await client.close()
        for cluster in clusters:
            await cluster.shutdown()
        while await gateway.list_clusters(status=["pending", "running", "stopping"]):  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(LOOK)  # else those of the next round are more than one user may have
        return times


async def _result(cluster, client):
    await cluster.scale(1)
    assert await client.submit(pow, 2, 5).result(timeout=PATIENCE) == 32


def lists(place, users, times):
    """List the clusters of each user: the seconds for all users, several times."""
    with ExitStack() as stack:
        gateways = [stack.enter_context(gateway_at({**place, **user})) for user in users]
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            found = [len(gateway.list_clusters()) for gateway in gateways]
            seconds.append(time.perf_counter() - began)
        return {"seconds": seconds, "clusters": sum(found)}


def bare(pem, ports):
    """Do what ``one_cluster`` does with no gateway at all: processes started by hand, asked until they are up.

    ``pem`` is a certificate with its authority's and its key; ``ports`` are the scheduler's and its dashboard's.
    """
    tls = ["--tls-ca-file", pem, "--tls-cert", pem, "--tls-key", pem, "--host", "127.0.0.1"]
    program = [sys.executable, "-m"]
    port, dashboard = map(str, ports)
    address = f"tls://127.0.0.1:{port}"
    scheduler = ["distributed.cli.dask_scheduler", "--protocol", "tls", "--port", port]
    worker = ["distributed.cli.dask_worker", address, "--no-dashboard", "--nthreads", "1"]
    security = Security(require_encryption=True, tls_ca_file=pem, tls_client_cert=pem, tls_client_key=pem)
    processes = []

    def start(*arguments):
        # In a session of its own, as each pod of the gateways is: Linux shares the processor out by sessions.
        processes.append(subprocess.Popen([*program, *arguments, *tls], start_new_session=True))

    def scale(count):
        for _ in range(count - len(processes) + 1):
            start(*worker, "--memory-limit", str(2 * 2**30))

    began = time.perf_counter()
    start(*scheduler, "--dashboard-address", f"127.0.0.1:{dashboard}")
    try:
        until(lambda: answers(f"http://127.0.0.1:{dashboard}/health"))
        running = time.perf_counter()
        with Client(address, security=security) as client:
            return {"running": running - began, **scaled(client, scale)}
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def answers(url):
    """Whether an HTTP server is up."""
    with suppress(OSError), urlopen(url, timeout=1):
        return True
    return False


def until(fact):
    """Look until it is so."""
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end
        time.sleep(LOOK)


@contextmanager
def gateway_at(place):
    """Have the client of a place."""
    with Gateway(**_arguments(place)) as gateway:
        yield gateway


def _arguments(place):
    auth = BasicAuth(place["user"], place["password"])
    return {"address": place["address"], "proxy_address": place["proxy_address"], "auth": auth}

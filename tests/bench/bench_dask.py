"""Dask clusters by spawnpenny and by dask-gateway-server, side by side: the same client, the same machine, one run.

Each round goes through all of them, one way and then the other. Pods are processes in both. What is called bare starts
the same processes by hand, with no gateway: the floor. Run with ``make bench``.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
import trustme

from spawnpenny.testing.notebook import Notebook

HERE = Path(__file__).parent
ROUNDS = 5
ROUNDS_AT_ONCE = 2
AT_ONCE = 8
CLUSTERS = 10
USERS = [f"user{number}" for number in range(5)]
BARE = "bare processes"
THEIRS = "dask-gateway-server"
OURS = "spawnpenny"


@pytest.fixture
async def notebook(tmp_path):
    """Have a notebook that knows what users do."""
    async with Notebook(tmp_path / "notebook", env={"PYTHONPATH": str(HERE)}) as notebook:
        await notebook.run("import dask_load; from dask_user import bare, bulk, lists, many_at_once, one_cluster")
        yield notebook


@pytest.fixture
def pem(tmp_path):
    """Have a certificate, its authority's, and its key, in one file."""
    authority, file = trustme.CA(), tmp_path / "bare.pem"
    file.write_bytes(authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes())
    with file.open("ab") as more:
        more.write(authority.cert_pem.bytes())
    return file


async def bench_one_cluster(gateways, notebook, pem):
    """A user starts a cluster, has a result, and scales up."""
    ways = {BARE: f"bare({str(pem)!r})"} | {each.name: f"one_cluster({each.place()!r})" for each in gateways}
    seconds = {name: {"running": [], "result": [], "four": []} for name in ways}
    for number in range(ROUNDS):
        for name in list(ways) if number % 2 else list(reversed(ways)):
            for what, took in (await notebook.run(ways[name])).items():
                seconds[name][what].append(took)
            for each in gateways:
                await each.settle()
    tell("new_cluster to RUNNING", seconds, "running")
    tell("RUNNING to the first result, of one worker", seconds, "result")
    tell("scale 1 to 4, all registered", seconds, "four")


async def bench_many_at_once(gateways, notebook):
    """A user starts eight clusters at once, and has a result in each."""
    seconds = {each.name: {"running": [], "result": []} for each in gateways}
    for number in range(ROUNDS_AT_ONCE):
        for each in gateways if number % 2 else list(reversed(gateways)):
            took = await notebook.run(f"many_at_once({each.place()!r}, {AT_ONCE})", patience=120)
            for what, value in took.items():
                seconds[each.name][what].append(value)
            await each.settle()
    tell(f"{AT_ONCE} clusters at once, all RUNNING", seconds, "running")
    tell("then a result in each, of one worker", seconds, "result")


async def bench_lists(gateways, notebook):
    """Five users have ten clusters each, and list them."""
    sides = [each for each in gateways if not each.options]
    for each in sides:
        took = await notebook.run(f"dask_load.start({places(each, each.light)!r}, {CLUSTERS})", patience=120)
        told = {name: [value * 1000 for value in values] for name, values in took.items()}
        print(f"\n{each.name}: {len(told['posts'])} POSTs, median {statistics.median(told['posts']):.1f} ms; ")
        slow = statistics.quantiles(told["waits"], n=20)[-1]
        print(f"  whoever asked for the version meanwhile waited {statistics.median(told['waits']):.1f} ms, p95 {slow:.1f}")
    ways = {each.name: places(each) for each in sides}
    ways |= {f"{each.name}, past its proxy": places(each, address=each.straight) for each in sides if each.name != OURS}
    rates = {name: {1: [], 4: []} for name in ways}
    seconds = {name: {"client": []} for name in ways}
    for _ in range(ROUNDS):
        for name, where in ways.items():
            for connections, found in rates[name].items():
                found.append((await notebook.run(f"dask_load.rate({where!r}, {connections}, 0.5)"))["rate"])
            took = await notebook.run(f"lists({where[0]!r}, {where!r}, 5)")
            assert took["clusters"] == CLUSTERS * len(USERS)
            seconds[name]["client"] += took["seconds"]
    for each in sides:
        await notebook.run(f"dask_load.stop({places(each)!r})")
    print(rates)
    tell("list_clusters() of five users, ten clusters each", seconds, "client")


def places(gateway, options=(), **more):
    return [gateway.place(user, options=dict(options), **more) for user in USERS]


def tell(what, seconds, key):
    print(f"\n{what} (s)" + " " * max(1, 44 - len(what)) + "median  min   of bare, of theirs")
    base = {name: statistics.median(seconds[name][key]) for name in (BARE, THEIRS) if name in seconds}
    for name, times in seconds.items():
        median = statistics.median(times[key])
        ratios = "".join(f"{median / each:8.2f}" for each in base.values())
        print(f"  {name:44} {median:6.3f} {min(times[key]):6.3f} {ratios}")

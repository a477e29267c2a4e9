"""Dask clusters by spawnpenny and by dask-gateway-server, side by side: the same client, the same machine, one run.

Each round goes through all of them, one way and then the other. Pods are processes in both. What is called bare starts
the same processes by hand, with no gateway: the floor. Run with ``make bench``;
``docs/reference/dask-benchmarks.md`` says more.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
import trustme

from spawnpenny.testing.notebook import Notebook
from spawnpenny.testing.ports import free_ports

HERE = Path(__file__).parent
ROUNDS = 5
ROUNDS_AT_ONCE = 2
AT_ONCE = 8
CLUSTERS = 10
USERS = [f"user{number}" for number in range(5)]
CONNECTIONS = (1, 4)
SECONDS = 0.4
BARE = "bare processes"
THEIRS = "dask-gateway-server"
OURS = "spawnpenny"
PAST = f"{THEIRS}, past its proxy"
PATIENCE = 180


@pytest.fixture
async def notebook(tmp_path):
    """Have a notebook that knows what users do."""
    async with Notebook(tmp_path / "notebook", env={"PYTHONPATH": str(HERE)}) as notebook:
        await notebook.run("import dask_load; from dask_user import bare, lists, many_at_once, one_cluster")
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
    """Start a cluster, have a result, and scale up."""
    ways = {BARE: f"bare({str(pem)!r}, {free_ports(2)!r})"} | {
        gateway.name: f"one_cluster({gateway.place()!r})" for gateway in gateways
    }
    seconds = {name: {"running": [], "result": [], "four": []} for name in ways}
    for name in interleaved(ways, ROUNDS):
        for what, took in (await notebook.run(ways[name], patience=PATIENCE)).items():
            seconds[name][what].append(took)
        for gateway in gateways:
            await gateway.settle()
    report("new_cluster to RUNNING, s", seconds, "running")
    report("RUNNING to the first result, of one worker, s", seconds, "result")
    report("scale from 1 to 4, until all are registered, s", seconds, "four")


async def bench_many_at_once(gateways, notebook):
    """Start eight clusters at once, and have a result in each."""
    ways = {gateway.name: gateway for gateway in gateways}
    seconds = {name: {"running": [], "result": []} for name in ways}
    for name in interleaved(ways, ROUNDS_AT_ONCE):
        took = await notebook.run(f"many_at_once({ways[name].place()!r}, {AT_ONCE})", patience=PATIENCE)
        for what, value in took.items():
            seconds[name][what].append(value)
        await ways[name].settle()
    report(f"{AT_ONCE} clusters at once, until all are RUNNING, s", seconds, "running")
    report("then until a result in each, of one worker, s", seconds, "result")


async def bench_lists(gateways, notebook):
    """Have five users list their ten clusters each."""
    sides = {gateway.name: gateway for gateway in gateways if gateway.name in {THEIRS, OURS}}
    began = {}
    for name, side in sides.items():
        light = places(side, options=side.light)
        began[name] = await notebook.run(f"dask_load.start({light!r}, {CLUSTERS})", patience=PATIENCE)
    ways = {THEIRS: places(sides[THEIRS]), OURS: places(sides[OURS])}
    ways[PAST] = places(sides[THEIRS], address=sides[THEIRS].straight)
    seconds, rates = {name: {"lists": []} for name in ways}, {name: {} for name in ways}
    for name in interleaved(ways, ROUNDS):
        for connections in CONNECTIONS:
            answer = await notebook.run(f"dask_load.rate({ways[name]!r}, {connections}, {SECONDS})")
            rates[name].setdefault(connections, []).append(answer["rate"])
        took = await notebook.run(f"lists({ways[name][0]!r}, {ways[name]!r}, 5)")
        assert took["clusters"] == CLUSTERS * len(USERS)
        seconds[name]["lists"] += took["seconds"]
    for side in sides.values():
        await notebook.run(f"dask_load.stop({places(side)!r})")
        await side.settle()
    report(f"POST of {CLUSTERS * len(USERS)} clusters, one after the other, s", began, "posts")
    report("whoever asks for the version meanwhile waits, s", began, "waits")
    report(f"list_clusters() of {len(USERS)} users with {CLUSTERS} each, s", seconds, "lists")
    for connections in CONNECTIONS:
        report(f"lists a second, {len(USERS)} users with {connections} connections each", rates, connections, best=max)


def places(gateway, **more):
    return [gateway.place(user, **more) for user in USERS]


def interleaved(ways, rounds):
    """Return all ways so many times, every other time the other way round, so that none is always after the same."""
    names = list(ways)
    return [name for number in range(rounds) for name in (reversed(names) if number % 2 else names)]


def report(what, measured, key, *, best=min):
    base = {name: statistics.median(measured[name][key]) for name in (BARE, THEIRS) if name in measured}
    heads = "".join(f"{'of bare' if name == BARE else 'of theirs':>11}" for name in base)
    print(f"\n{what:58}{'median':>10}{best.__name__:>10}{heads}")
    for name, found in measured.items():
        median = statistics.median(found[key])
        ratios = "".join(f"{median / ratio:11.2f}" for ratio in base.values())
        print(f"  {name:56}{median:10.4g}{best(found[key]):10.4g}{ratios}")

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
BARE = "bare processes"
THEIRS = "dask-gateway-server"
OURS = "spawnpenny"


@pytest.fixture
async def notebook(tmp_path):
    """Have a notebook that knows what users do."""
    async with Notebook(tmp_path / "notebook", env={"PYTHONPATH": str(HERE)}) as notebook:
        await notebook.run("from dask_user import bare, bulk, lists, many_at_once, one_cluster")
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


def tell(what, seconds, key):
    print(f"\n{what} (s)" + " " * max(1, 44 - len(what)) + "median  min   of bare, of theirs")
    base = {name: statistics.median(seconds[name][key]) for name in (BARE, THEIRS) if name in seconds}
    for name, times in seconds.items():
        median = statistics.median(times[key])
        ratios = "".join(f"{median / each:8.2f}" for each in base.values())
        print(f"  {name:44} {median:6.3f} {min(times[key]):6.3f} {ratios}")

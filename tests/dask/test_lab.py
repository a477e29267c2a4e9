"""Dask from inside a real lab: no argument, no rights, and the lab's own image and end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import spawnpenny

pytestmark = pytest.mark.asyncio(loop_scope="module")

DASK = {"end_with_lab": True}
CELL = f"""
import json
import sys
from dask_gateway import Gateway
gateway = Gateway()
cluster = gateway.new_cluster(shutdown_on_close=False)
cluster.scale(1)
results = [cluster.get_client().submit(pow, 7, 2).result()]
sys.path.insert(0, {str(Path(spawnpenny.__file__).parents[1])!r})
from spawnpenny.clients.dask import SpawnpennyCluster
with SpawnpennyCluster(n_workers=1) as native:
    results.append(native.get_client().submit(pow, 6, 2).result())
json.dumps([cluster.name, native.name, results])
"""


async def test_in_a_lab_both_clients_need_no_argument_and_a_cluster_that_is_left_ends_with_it(dask):
    async with dask.lab("ada") as lab:
        name, native, results = json.loads(eval(await lab.run(CELL)))
        assert results == [49, 36]
        answer = (await dask.ask("GET", f"/v1/users/ada/dask/{name}"))[1]
        assert (answer["phase"], answer["lab"]) == ("running", "~default")
        image = (await dask.scheduler(name))["spec"]["containers"][0]["image"]
        assert image == "spawnpenny/lab"
        assert (await dask.ask("GET", f"/v1/users/ada/dask/{native}"))[1].get("phase") in {None, "stopping"}

    async def gone():
        return not await dask.pods(name)

    await dask.until(gone, "no pod of the cluster")
    answer = (await dask.ask("GET", f"/v1/users/ada/dask/{name}"))[1]
    assert answer["reason"]["code"] == "cluster_lab_gone"

"""Dask from inside a real lab: no argument, no rights, and the lab's own image and end."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

DASK = {"end_with_lab": True}
CELL = """
import json
from dask_gateway import Gateway
gateway = Gateway()
cluster = gateway.new_cluster(shutdown_on_close=False)
cluster.scale(1)
result = cluster.get_client().submit(pow, 7, 2).result()
json.dumps([cluster.name, result])
"""


async def test_in_a_lab_it_needs_no_argument_and_its_cluster_ends_with_it(dask):
    async with dask.lab("ada") as lab:
        name, result = json.loads(eval(await lab.run(CELL)))
        assert result == 49
        told = (await dask.ask("GET", f"/v1/users/ada/dask/{name}"))[1]
        assert (told["phase"], told["lab"]) == ("running", "~default")
        image = (await dask.scheduler(name))["spec"]["containers"][0]["image"]
        assert image == "spawnpenny/lab"

    async def gone():
        return not await dask.pods(name)

    await dask.until(gone, "no pod of the cluster")
    told = (await dask.ask("GET", f"/v1/users/ada/dask/{name}"))[1]
    assert "lab" in told["reason"]["message"]

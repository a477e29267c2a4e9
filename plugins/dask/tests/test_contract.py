"""The steps and the kind of the Dask plugin keep their contracts."""

from __future__ import annotations

import pytest

from spawnpenny.api import Scale
from spawnpenny.testing.contract import KindContract, StepContract

BESIDE = {"dask.workers": ("dask.scheduler",)}
ALLOWED = {"dask.workers": ("used:get pods", "used:get secrets")}
"""Names of workers are random, so that none exists already; no trial loses the record, which has the token."""


@pytest.mark.parametrize("step", ["dask.credentials", "dask.scheduler", "dask.workers"])
async def test_it_keeps_the_contract(contract_cluster, step):
    plugins = {"namespace": {}, "quota": {}, "user": {}, "dask": {"image": "dask"}}
    contract = StepContract(
        step=step,
        settings={"plugins": plugins},
        kind="dask",
        name="c1",
        scale=Scale(2),
        beside=BESIDE.get(step, ()),
        allowed=ALLOWED.get(step, ()),
    )
    await contract.check(contract_cluster)


async def test_dask_clusters_keep_the_contract_of_kinds(store_cluster):
    plugins = {"namespace": {}, "quota": {}, "user": {}, "dask": {"image": "dask"}}
    allowed = ("kind-scales:down",)  # a scheduler says which workers may go, and none answers here
    contract = KindContract(kind="dask", plugin="dask", settings={"plugins": plugins}, allowed=allowed, seconds=20)
    await contract.check(store_cluster)

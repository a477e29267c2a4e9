"""The steps of the Dask plugin keep the contract."""

from __future__ import annotations

import pytest

from spawnpenny.api import Scale
from spawnpenny.testing.contract import StepContract

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

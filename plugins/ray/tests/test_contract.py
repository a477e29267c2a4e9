"""The steps of the Ray plugin keep the contract."""

from __future__ import annotations

import pytest

from spawnpenny.api import Scale
from spawnpenny.testing.contract import StepContract

BESIDE = {"ray.head": ("ray.access",), "ray.workers": ("ray.access", "ray.head")}
ALLOWED = {"ray.access": ("shared",), "ray.workers": ("used:get pods", "used:get secrets")}
"""The token is random, and the first one is kept. Names of workers are random, so that none exists already."""


@pytest.mark.parametrize("step", ["ray.access", "ray.head", "ray.workers"])
async def test_it_keeps_the_contract(store_cluster, step):
    plugins = {"namespace": {}, "quota": {}, "user": {}, "ray": {"image": "ray"}}
    contract = StepContract(
        step=step,
        settings={"plugins": plugins},
        kind="ray",
        name="r1",
        scale=Scale(2),
        beside=BESIDE.get(step, ()),
        allowed=ALLOWED.get(step, ()),
    )
    await contract.check(store_cluster)

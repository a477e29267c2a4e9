"""The steps and the kind of the Ray plugin keep their contracts."""

from __future__ import annotations

import pytest

from spawnpenny.api import Scale
from spawnpenny.testing.contract import KindContract, StepContract

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


async def test_ray_clusters_keep_the_contract_of_kinds(store_cluster):
    plugins = {"namespace": {}, "quota": {}, "user": {}, "ray": {"image": "ray"}}
    allowed = ("kind-scales:down",)  # a head says which workers may go, and none answers here
    contract = KindContract(
        kind="ray", plugin="ray", settings={"plugins": plugins}, alone=True, allowed=allowed, seconds=20
    )
    await contract.check(store_cluster)

"""The steps of the user plugin keep the contract."""

from __future__ import annotations

import pytest

from spawnpenny.testing.contract import StepContract


@pytest.mark.parametrize("step", ["user.provision", "user.files"])
async def test_it_keeps_the_contract(store_cluster, step):
    await StepContract(step=step, settings={"plugins": {"namespace": {}, "user": {}, "lab": {}}}).check(store_cluster)

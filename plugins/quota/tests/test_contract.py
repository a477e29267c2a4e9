"""The step of the quota plugin keeps the contract."""

from __future__ import annotations

from spawnpenny.testing.contract import StepContract


async def test_it_keeps_the_contract(store_cluster):
    await StepContract(step="quota", settings={"plugins": {"namespace": {}, "quota": {}, "lab": {}}}).check(
        store_cluster
    )

"""The steps of the batch plugin keep the contract."""

from __future__ import annotations

import pytest

from spawnpenny.testing.contract import StepContract

PLUGINS = {"namespace": {}, "quota": {}, "lab": {}, "storage": {}, "batch": {"backoff": 0}}


@pytest.mark.parametrize("step", ["batch.files", "batch.pod"])
async def test_it_keeps_the_contract(store_cluster, step):
    contract = StepContract(
        step=step,
        settings={"plugins": PLUGINS},
        kind="batch",
        name="report",
        options={"command": ["true"], "retries": 2},
        env={"TOKEN": "secret-of-the-job"},
    )
    await contract.check(store_cluster)


@pytest.mark.parametrize("per", ["lab", "user"])
async def test_the_storage_of_a_job_keeps_it_too(store_cluster, per):
    plugins = {**PLUGINS, "storage": {"per": per, "retain": False}}
    allowed = (
        "fingerprint:vain",
        "used:patch persistentvolumeclaims",
        "used:delete persistentvolumeclaims",
        "used:list pods",
    )
    contract = StepContract(
        step="storage",
        settings={"plugins": plugins},
        kind="batch",
        name="report",
        options={"command": ["true"]},
        allowed=allowed,
    )
    await contract.check(store_cluster)

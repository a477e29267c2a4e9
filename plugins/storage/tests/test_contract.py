"""The step of the storage plugin keeps the contract."""

from __future__ import annotations

import pytest

from spawnpenny.testing.contract import StepContract

ALLOWED = ("fingerprint:vain", "used:patch persistentvolumeclaims")
"""Each spawn looks for a deleted claim, and no trial changes the size in the settings."""


@pytest.mark.parametrize("per", ["lab", "user"])
@pytest.mark.parametrize("retain", [True, False])
async def test_it_keeps_the_contract(store_cluster, per, retain):
    settings = {"plugins": {"namespace": {}, "lab": {}, "storage": {"per": per, "retain": retain}}}
    await StepContract(step="storage", settings=settings, allowed=ALLOWED).check(store_cluster)

"""The steps of the lab plugin keep the contract."""

from __future__ import annotations

import pytest

from spawnpenny.api import Tls
from spawnpenny.testing.contract import StepContract

PLUGINS = {"namespace": {}, "quota": {}, "user": {}, "lab": {"internal_ssl": True}}
ENV = {"JUPYTERHUB_API_TOKEN": "secret-of-the-lab"}


@pytest.mark.parametrize("step", ["lab.secret", "lab.tls", "lab.pod"])
async def test_it_keeps_the_contract(store_cluster, step):
    contract = StepContract(
        step=step, settings={"plugins": PLUGINS}, env=ENV, tls=Tls("private key", "certificate", "authority")
    )
    await contract.check(store_cluster)

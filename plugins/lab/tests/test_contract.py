"""The steps and the kind of the lab plugin keep their contracts."""

from __future__ import annotations

import pytest

from spawnpenny.api import Tls
from spawnpenny.testing.contract import KindContract, StepContract

PLUGINS = {"namespace": {}, "quota": {}, "user": {}, "lab": {"internal_ssl": True}}
ENV = {"JUPYTERHUB_API_TOKEN": "secret-of-the-lab"}


@pytest.mark.parametrize("step", ["lab.secret", "lab.tls", "lab.pod"])
async def test_it_keeps_the_contract(store_cluster, step):
    contract = StepContract(
        step=step, settings={"plugins": PLUGINS}, env=ENV, tls=Tls("private key", "certificate", "authority")
    )
    await contract.check(store_cluster)


async def test_labs_keep_the_contract_of_kinds(store_cluster):
    plugins = {**PLUGINS, "lab": {}}
    await KindContract(kind="lab", plugin="lab", settings={"plugins": plugins}, env=ENV).check(store_cluster)

"""The contract of a kind: it passes sound kinds, and finds each planted fault."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from spawnpenny.api import hookimpl
from spawnpenny.testing.contract import ContractBrokenError, KindContract
from spawnpenny.testing.contract.rules import KIND_RULES, RULES
from tests.testing.faulty_kinds import FAULTS
from tests.testing.sound_kinds import SOUND


def contract_of(kind, steps, name=None, **more):
    plugin = SimpleNamespace(
        spawnpenny_kinds=hookimpl(lambda: [kind], specname="spawnpenny_kinds"),
        spawnpenny_steps=hookimpl(lambda: [step() for step in steps], specname="spawnpenny_steps"),
    )
    settings = {"plugins": {"namespace": {}, "quota": {}, "user": {}}}
    return KindContract(kind=name or kind.name, plugin="own", settings=settings, plugins={"own": plugin}, **more)


@pytest.mark.parametrize("name", SOUND)
async def test_a_sound_kind_passes(store_cluster, name):
    kind, steps = SOUND[name]
    await contract_of(kind, steps).check(store_cluster)


@pytest.mark.parametrize("name", FAULTS)
async def test_a_planted_fault_is_found(store_cluster, name):
    kind, steps, rule = FAULTS[name]
    declared = "farm" if rule == "kind-loads" else kind.name
    findings = await contract_of(kind, steps, declared, seconds=3).findings(store_cluster)
    assert rule in {finding.name for finding in findings}, [str(finding) for finding in findings]


async def test_a_finding_names_the_kind_the_rule_and_what_would_be_right(store_cluster):
    kind, steps, _ = FAULTS["never starts"]
    with pytest.raises(ContractBrokenError) as broken:
        await contract_of(kind, steps).check(store_cluster)
    assert str(broken.value).startswith(
        "The kind 'farm' breaks the rule 'kind-starts'. Its phase was failed. There is no licence. On a working cluster"
    )


def test_steps_and_kinds_share_no_rule():
    assert not RULES.keys() & KIND_RULES.keys()

"""The contract of a step: it passes sound steps, and finds each planted fault."""

from __future__ import annotations

import re

import pytest

from spawnpenny.testing.contract import ContractBrokenError
from spawnpenny.testing.contract.rules import RULES
from spawnpenny.testing.patience import PATIENCE
from tests.testing import faulty_applies, faulty_reverts, faulty_user_steps
from tests.testing.faulty_applies import UnusedPermission
from tests.testing.sound_steps import SOUND, Licence, OfItsOwnKind

FAULTS = {
    faulty_reverts.RevertRaisesTheSecondTime: "revert-twice",
    faulty_reverts.RevertForgetsAnObject: "revert-complete",
    faulty_reverts.RevertKnowsOnlyWhatItCreated: "revert-complete",
    faulty_reverts.RevertNeedsTheEnvironment: "revert-succeeds",
    faulty_reverts.RevertDeletesByLabel: "others-unharmed",
    faulty_reverts.RevertDeletesByNameAlone: "successor-unharmed",
    faulty_reverts.RevertSwallowsErrors: "revert-error",
    faulty_applies.NameOfAnother: "apply-succeeds",
    faulty_applies.RandomName: "apply-twice",
    faulty_applies.ManifestChanges: "pure:manifests",
    faulty_applies.ManifestOfTheProcess: "pure:manifests",
    faulty_applies.CheckChangesOptions: "inputs:check",
    faulty_applies.CheckUsesTheCluster: "no-cluster:check",
    faulty_applies.UndeclaredCall: "declared:list secrets",
    faulty_applies.UnusedPermission: "used:list secrets",
    faulty_applies.CallsPastItsPermissions: "bypass",
    faulty_applies.CountsInItsObject: "memory",
    faulty_applies.RemembersInItsModule: "memory",
    faulty_applies.SkipsWhatThisProcessHasDone: "repair",
    faulty_applies.SwallowsErrors: "error-raised",
    faulty_applies.RaisesAnErrorOfItsOwn: "error-reportable",
    faulty_applies.StopsAtWhatExists: "repair",
    faulty_applies.WaitsForEver: "ends:apply",
    faulty_applies.IgnoresCancellation: "cancellation:apply",
    faulty_applies.TakesOverForeignObjects: "foreign-name",
    faulty_applies.ExposesTheEnvironment: "secret-exposed:ConfigMap",
    faulty_applies.FailsAtOnce: "apply-succeeds",
    faulty_user_steps.FingerprintMissesTheUser: "fingerprint:missed",
    faulty_user_steps.FingerprintOfTheSpawn: "fingerprint:vain",
    faulty_user_steps.SharedObjectOfOneSpawn: "shared",
    faulty_user_steps.UserStepReverts: "loads",
    faulty_user_steps.PurgeDeletesByLabel: "purge:harm",
    faulty_user_steps.RetireRaisesTheSecondTime: "retire",
    faulty_user_steps.SuperviseIgnoresCancellation: "cancellation:supervise",
    faulty_user_steps.SuperviseNeedsItsApply: "supervise-succeeds",
    faulty_user_steps.SuperviseCreatesMoreAfterARestart: "supervise-existing",
}
"""A step with a fault, and the name of the finding that reports it."""


@pytest.mark.parametrize("step", SOUND)
async def test_a_sound_step_passes(contract_of, contract_cluster, step):
    await contract_of(step).check(contract_cluster)


async def test_a_sound_step_may_have_objects_of_a_kind_of_its_own(contract_of, store_cluster):
    await contract_of(OfItsOwnKind).check(store_cluster)


@pytest.mark.parametrize(("step", "name"), FAULTS.items())
async def test_a_planted_fault_is_found(contract_of, store_cluster, step, name):
    hangs = name.startswith(("ends", "cancellation"))
    findings = await contract_of(step, seconds=1.0 if hangs else PATIENCE).findings(store_cluster)
    assert name in {finding.name for finding in findings}, [str(finding) for finding in findings]


async def test_a_finding_names_the_step_the_rule_and_what_would_be_right(contract_of, store_cluster):
    with pytest.raises(ContractBrokenError) as broken:
        await contract_of(UnusedPermission).check(store_cluster)
    assert str(broken.value).splitlines()[0] == (
        "The step 'licence' breaks the rule 'used:get secrets'. It declares get secrets, and no trial used that. "
        "Remove the verb from the step's permissions: the service gets each right that a step declares."
    )


@pytest.mark.parametrize("allowed", [("used",), ("used:get secrets", "used:list secrets")])
async def test_a_finding_can_be_allowed_by_its_name(contract_of, store_cluster, allowed):
    await contract_of(UnusedPermission, allowed=allowed).check(store_cluster)


async def test_a_step_that_no_plugin_has_is_a_finding(contract_of, store_cluster):
    (finding,) = await contract_of(type("Other", (Licence,), {"name": "other"})).findings(store_cluster)
    assert re.search("has the steps namespace, other", finding.happened)


async def test_a_kind_that_no_plugin_has_is_a_finding(contract_of, store_cluster):
    (finding,) = await contract_of(Licence, kind="ray").findings(store_cluster)
    assert "No loaded plugin has the kind ray; there are lab, user." in finding.happened


def test_each_rule_is_a_sentence():
    assert all(re.fullmatch(r"[A-Za-z].*\.", sentence) for sentence in RULES.values())

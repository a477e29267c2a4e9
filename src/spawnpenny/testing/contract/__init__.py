"""The contracts of a step and of a kind: the rules that the service relies on, tried out on a cluster."""

from spawnpenny.testing.contract.findings import ContractBrokenError, Finding, Findings
from spawnpenny.testing.contract.kind_contract import KindContract
from spawnpenny.testing.contract.step_contract import StepContract

__all__ = ["ContractBrokenError", "Finding", "Findings", "KindContract", "StepContract"]

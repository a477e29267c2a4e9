"""The contract of a step: the rules that the service relies on, tried out on a cluster."""

from spawnpenny.testing.contract.findings import ContractBrokenError, Finding, Findings
from spawnpenny.testing.contract.step_contract import StepContract

__all__ = ["ContractBrokenError", "Finding", "Findings", "StepContract"]

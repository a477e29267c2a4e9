"""The contract of a step, which a test runs on a cluster."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spawnpenny.domain.names import DEFAULT_LAB
from spawnpenny.domain.spawns import Scale, Tls
from spawnpenny.domain.users import User
from spawnpenny.errors import SpawnpennyError
from spawnpenny.testing.contract.endings import check_purge, check_retirement, check_supervision
from spawnpenny.testing.contract.failures import check_failures
from spawnpenny.testing.contract.findings import ContractBrokenError, Findings
from spawnpenny.testing.contract.purity import check_fingerprint, check_pure_methods
from spawnpenny.testing.contract.repetition import check_foreign_names, check_repetition, check_successor
from spawnpenny.testing.contract.stage import Stage, open_stage
from spawnpenny.testing.contract.trial import declared, plural, trial_on
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.spawns import ADA

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Cluster


@dataclass(frozen=True, kw_only=True)
class StepContract:
    """The contract of one step: what the service relies on, whatever the step does.

    Attributes:
        step: The name of the step.
        settings: Sections of the settings file. Its ``plugins`` name the plugin of the step, and those that it needs.
        kind: The name of the kind of the spawn.
        name: The name of the spawn.
        user: The user of the spawn. Each trial adds a number to the name.
        options: The options of the spawn.
        other_options: Other valid options, with which the fingerprint of a user step is compared.
        env: The environment of the spawn.
        tls: The TLS identity of the spawn.
        scale: The desired number of workers.
        beside: Steps that are applied at the same time, because the step waits for them.
        plugins: Further plugins by name, as modules or objects, as ``Site.plugins`` has them.
        allowed: The names of findings that the step is allowed to have, such as ``used:patch configmaps``.
        seconds: The time limit of one call of a method.

    """

    step: str
    settings: Mapping[str, Any]
    kind: str = "lab"
    name: str = DEFAULT_LAB
    user: User = ADA
    options: Mapping[str, Any] = field(default_factory=dict)
    other_options: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] | None = None
    tls: Tls | None = None
    scale: Scale = field(default_factory=Scale)
    beside: Sequence[str] = ()
    plugins: Mapping[str, object] = field(default_factory=dict)
    allowed: Collection[str] = ()
    seconds: float = PATIENCE

    async def check(self, cluster: Cluster) -> None:
        """Try all rules on a cluster.

        Raises:
            ContractBrokenError: The step breaks a rule; the message has all findings.

        """
        findings = await self.findings(cluster)
        if findings:
            raise ContractBrokenError(findings)

    async def findings(self, cluster: Cluster) -> Findings:
        """Try all rules on a cluster; return the findings."""
        async with open_stage(self, cluster) as stage:
            if self._loads(stage):
                await _try_all(stage)
            return stage.findings

    def _loads(self, stage: Stage) -> bool:
        try:
            pipelines = stage.load().pipelines
        except SpawnpennyError as error:
            stage.findings.add("loads", error.message)
            return False
        if self.kind not in pipelines:
            stage.findings.add("loads", f"No loaded plugin has the kind {self.kind}; there are {', '.join(pipelines)}.")
            return False
        names = [step.name for step in pipelines[self.kind].steps]
        if self.step not in names:
            stage.findings.add("loads", f"The pipeline of the kind {self.kind} has the steps {', '.join(names)}.")
        return self.step in names


async def _try_all(stage: Stage) -> None:
    async with trial_on(stage) as trial:
        await check_pure_methods(trial)
        await check_fingerprint(trial)
    async with trial_on(stage) as trial:
        works = await check_repetition(trial)
    if not works:
        return  # all other findings would follow from this one
    for check in (check_successor, check_foreign_names, check_supervision, check_purge, check_retirement):
        async with trial_on(stage) as trial:
            await check(trial)
    await check_failures(stage)
    for verb, resource in sorted(declared(trial.main) - stage.used, key=str):
        name = f"{verb} {plural(resource)}"
        stage.findings.add("used", f"It declares {name}, and no trial used that.", name)

"""The contract of a kind: whole lives of its spawns, in the service, on a cluster without processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spawnpenny.errors import SpawnpennyError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.testing.contract.findings import ContractBrokenError, Findings
from spawnpenny.testing.contract.kind_trials import TRIALS, KindTrial
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import make_site

if TYPE_CHECKING:
    from spawnpenny.testing.store_cluster import StoreCluster


@dataclass(frozen=True, kw_only=True)
class KindContract:
    """The contract of one kind: start, scale, restart, end, stop, retire, and a service without its plugin.

    Attributes:
        kind: The name of the kind.
        plugin: The name of the plugin that declares it.
        settings: Sections of the settings file. Its ``plugins`` name that plugin, and those that it needs.
        options: The options of a start.
        env: The environment of a start.
        scale: The desired number of workers of a kind that scales.
        alone: Whether a user may have only one spawn of the kind at a time.
        plugins: Further plugins by name, as modules or objects, as ``Site.plugins`` has them.
        allowed: The names of findings that the kind is allowed to have.
        seconds: The time limit of what the service does with a spawn.

    """

    kind: str
    plugin: str
    settings: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    scale: int = 2
    alone: bool = False
    plugins: Mapping[str, object] = field(default_factory=dict)
    allowed: Collection[str] = ()
    seconds: float = PATIENCE

    async def check(self, cluster: StoreCluster) -> None:
        """Try all rules on a cluster.

        Raises:
            ContractBrokenError: The kind breaks a rule; the message has all findings.

        """
        findings = await self.findings(cluster)
        if findings:
            raise ContractBrokenError(findings)

    async def findings(self, cluster: StoreCluster) -> Findings:
        """Try all rules on a cluster, with a site of its own for each trial; return the findings."""
        findings = Findings(f"kind {self.kind!r}", self.allowed)
        for trial in TRIALS:
            site = await make_site(cluster)
            site.data |= self.settings
            site.plugins = self.plugins
            try:
                plugins = load_plugins(site.settings, extra=site.plugins)
            except SpawnpennyError as error:
                findings.add("kind-loads", error.message)
                break
            if not plugins.provides(self.kind):
                findings.add("kind-loads", f"The loaded plugins have the kinds {', '.join(plugins.kinds)}.")
                break
            try:
                await trial(KindTrial(self, site, plugins.kinds[self.kind], cluster, findings))
            except SpawnpennyError as error:
                findings.add("kind-starts", f"The service refused it: {error.message}")
            if any(finding.rule == "kind-starts" for finding in findings):
                break  # all other findings would follow from this one
        return findings

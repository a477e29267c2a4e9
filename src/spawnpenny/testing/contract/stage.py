"""The stage of a contract: a site with its plugins, and trials, which have users of their own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from spawnpenny.broker.local import run_local_broker
from spawnpenny.domain import labels
from spawnpenny.domain.broker import Broker
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Cluster
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.plugin.manager import Plugins, load_plugins
from spawnpenny.testing.contract.findings import Findings
from spawnpenny.testing.site import make_site

if TYPE_CHECKING:
    from spawnpenny.settings.model import Settings
    from spawnpenny.testing.contract.step_contract import StepContract
    from spawnpenny.testing.site import Site


class Stage:
    """A site of its own on a cluster, on which the rules are tried out."""

    def __init__(self, contract: StepContract, site: Site, broker: Broker, pods: Informer) -> None:
        self.contract = contract
        self.kind = contract.kind
        self.cluster: Cluster = site.cluster
        self.settings: Settings = site.settings
        self.broker = broker
        self.pods = pods
        self.findings = Findings(f"step {contract.step!r}", contract.allowed)
        self.namespace_uids: dict[str, str] = {}
        self.used: set[tuple[str, Resource | None]] = set()
        self.numbers: Iterator[int] = itertools.count()
        self._site = site
        self._loaded: Plugins | None = None

    def load(self) -> Plugins:
        """Load the plugins as a new process does, with new Step objects."""
        if self._loaded is None:  # to look for all that is installed takes longer than a trial
            self._loaded = load_plugins(self._site.settings, extra=self._site.plugins)
        return self._loaded.renewed(self._site.settings)

    def resources(self, plugins: Plugins) -> list[Resource]:
        """Return the resources that the steps of the pipeline declare, without those that are only answered."""
        steps = plugins.pipelines[self.kind].steps
        declared = [permission.resource for step in steps for permission in step.permissions]
        return list(dict.fromkeys(resource for resource in declared if resource is not None and resource.stored))


@asynccontextmanager
async def open_stage(contract: StepContract, cluster: Cluster) -> AsyncIterator[Stage]:
    """Open a stage on a cluster until the context ends."""
    site = await make_site(cluster)
    site.data |= contract.settings
    site.plugins = contract.plugins
    pods = Informer(cluster, resource_of("Pod"), labels=labels.ours(site.settings.installation))
    async with run_local_broker(cluster, site.settings) as broker:
        running = asyncio.create_task(pods.run())
        try:
            await pods.synced.wait()
            yield Stage(contract, site, broker, pods)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

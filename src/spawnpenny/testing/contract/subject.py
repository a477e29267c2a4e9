"""One spawn of a trial: its record survives a restart, as in the service, and its process does not."""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.domain.names import Names
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.users import User
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.pipeline.dependencies import Dependencies
from spawnpenny.pipeline.ownership_labels import OwnershipLabels
from spawnpenny.pipeline.pod_patches import merge_patches
from spawnpenny.pipeline.spawn import PlannedSpawn, Spawn, SpawnCallbacks, Stash
from spawnpenny.pipeline.step import Step
from spawnpenny.pipeline.step_cluster import StepCluster
from spawnpenny.spawns.container_limits import container_limits, limited
from spawnpenny.spawns.spawn_record import demand_storable
from spawnpenny.testing.contract.recorder import RecordedBroker, RecordedCluster, RecordedStepCluster, Recorder

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.testing.contract.stage import Stage

_PAUSE: Final = 0.02
"""The longest wait of ``spawn.changed`` in seconds, so that a trial is quick."""


@dataclass
class Subject:
    """A spawn, with the step under test and the steps before it and beside it.

    Attributes:
        stage: The site with the settings of the contract.
        user: The user.
        name: The name of the spawn.
        plugins: The plugins as this process has loaded them: ``restart`` loads them again.
        options: The caller's options.
        id: The id of the spawn.
        running: Whether it runs, so that its environment and its TLS key are no longer kept.
        rounds: The number of calls of ``spawn.changed``.

    """

    stage: Stage
    user: User
    name: str
    plugins: Plugins
    options: dict[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    running: bool = False
    rounds: int = 0
    recorder: Recorder = field(default_factory=Recorder)
    beside: Recorder = field(default_factory=Recorder)
    _uids: dict[str, str] = field(default_factory=dict)
    _stash: Stash = field(default_factory=Stash)
    record_secrets: dict[str, str] = field(default_factory=dict)
    record_state: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.env = {} if self.stage.contract.env is None else dict(self.stage.contract.env)

    @property
    def names(self) -> Names:
        """The Kubernetes names of the spawn."""
        prefix = self.stage.settings.namespaces.prefix
        return Names.of(self.user.username, self.stage.kind, self.name, prefix=prefix)

    @property
    def step(self) -> Step:
        """The step under test, as this process has made it."""
        return self._step(self.stage.contract.step)

    def restart(self, *, running: bool = False) -> None:
        """Continue in another process, which knows the record but not the uids of created objects."""
        self.plugins = self.stage.load()
        self.running = running
        self._uids, self._stash = {}, Stash()

    def keep_secrets(self) -> None:
        """Generate the secrets of all steps, as a service does when it accepts a request."""
        for step in self.plugins.pipelines[self.stage.kind].steps:
            self.record_secrets |= step.secrets(self.planned())

    async def prepare(self) -> None:
        """Apply the steps that come before the step under test."""
        pipeline, contract = self.plugins.pipelines[self.stage.kind], self.stage.contract
        for step in pipeline.steps:
            if pipeline.depends(contract.step, step.name):
                await step.apply(self.spawn(step))

    async def apply(self) -> None:
        """Apply the step under test, at the same time as those that the contract has beside it."""
        beside = [self._step(name) for name in self.stage.contract.beside]
        tasks = [asyncio.create_task(step.apply(self.spawn(step))) for step in beside]
        try:
            await self.step.apply(self.spawn(self.step))
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def prepare_and_apply(self) -> None:
        """Apply the steps before the step under test, and that step."""
        await self.prepare()
        await self.apply()

    async def revert(self) -> None:
        """Revert the step under test."""
        await self.step.revert(self.spawn(self.step))

    async def supervise(self) -> None:
        """Supervise the spawn by the step under test, with a spawn of its own, as a service does."""
        await self.step.supervise(self.spawn(self.step))

    async def revert_all(self) -> None:
        """Revert all steps that this spawn has applied, last one first."""
        pipeline, contract = self.plugins.pipelines[self.stage.kind], self.stage.contract
        for step in reversed(pipeline.steps):
            applied = step.name in {contract.step, *contract.beside} or pipeline.depends(contract.step, step.name)
            if applied and step.scope == "spawn":
                await step.revert(self.spawn(step))

    @contextmanager
    def retiring(self, *, purge: bool) -> Iterator[None]:
        """Have the options of a user's retirement for as long as the context lasts."""
        options, self.options = self.options, {"purge": "storage"} if purge else {}
        try:
            yield
        finally:
            self.options = options

    def planned(self) -> PlannedSpawn:
        """Return the spawn without a cluster."""
        contract = self.stage.contract
        return PlannedSpawn(
            id=self.id,
            kind=self.stage.kind,
            name=self.name,
            user=self.user,
            names=self.names,
            options=self.options,
            env={} if self.running else self.env,
            resources=Resources(),
            resources_in_use=Resources(),
            kinds=self.plugins.kinds,
            _patch=self._patch,
            _notify=lambda *_: None,
            _publish_url=lambda *_: None,
            tls=None if self.running else contract.tls,
            _service_host=lambda name: self.stage.cluster.service_host(self.names.namespace, name),
            _overrides=lambda spawn: self.plugins.overrides(spawn.user, spawn.kind, dict(spawn.options)),
            _profiles=self.plugins.profiles,
            secrets=self.record_secrets,
            state=self.record_state,
            _callbacks=SpawnCallbacks(lambda: contract.scale, changed=self._changed, keep=self._keep, scrub=str),
            _stash=self._stash,
        )

    def spawn(self, step: Step) -> Spawn:
        """Return the spawn as a step sees it that may use the cluster."""
        return Spawn.of(self.planned(), self._cluster(step))

    def _step(self, name: str) -> Step:
        return next(step for step in self.plugins.steps if step.name == name)

    def _cluster(self, step: Step) -> StepCluster:
        under_test = step.name == self.stage.contract.step
        recorder = self.recorder if under_test else self.beside
        stage = self.stage
        dependencies = Dependencies(
            cluster=RecordedCluster(stage.cluster, recorder),
            pods=stage.pods,
            broker=RecordedBroker(stage.broker, recorder),
            notify=lambda *_: None,
            suspect=lambda _: None,
            notice=lambda _: None,
            claimed=lambda _: None,
            namespace=lambda: stage.namespace_uids.get(self.names.namespace, ""),
            waits=lambda: None,
            scrub=str,
            slow=stage.settings.deadlines.slow,
            event_reads=asyncio.Semaphore(),
        )
        ownership = OwnershipLabels(
            stage.settings.installation, self.user.username, stage.kind, self.id, self.names, self._uids, origin="{}"
        )
        if not under_test:
            return StepCluster(step, ownership, dependencies, self.user)
        cluster = RecordedStepCluster(step, ownership, dependencies, self.user)
        cluster.recorder = recorder
        return cluster

    def _patch(self, spawn: PlannedSpawn, pod: Manifest) -> Manifest:
        patches = self.plugins.pod_patches(spawn, copy.deepcopy(pod))
        merged = merge_patches(pod, patches, base=f"the {spawn.kind} plugin")
        return limited(merged, container_limits(self.plugins.pipelines[self.stage.kind].steps))

    async def _keep(self, values: Mapping[str, Any]) -> None:
        demand_storable({**self.record_state, **values})
        self.record_state.update(values)

    async def _changed(self, seconds: float) -> None:
        self.rounds += 1
        await asyncio.sleep(min(seconds, _PAUSE))

"""Step view of one spawn: the spawn as its steps see it, with the cluster interface of a step."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.auth.lab_tokens import token_hash
from spawnpenny.domain.spawns import StepState
from spawnpenny.errors import SpawnError, SpawnpennyError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.pipeline.dependencies import Dependencies
from spawnpenny.pipeline.ownership_labels import OwnershipLabels
from spawnpenny.pipeline.pod_hardening import check_pod
from spawnpenny.pipeline.pod_patches import merge_patches
from spawnpenny.pipeline.runner import Runner
from spawnpenny.pipeline.spawn import PlannedSpawn, Spawn, SpawnCallbacks
from spawnpenny.pipeline.step import Step
from spawnpenny.pipeline.step_cluster import StepCluster
from spawnpenny.spawns.active import HeldBack
from spawnpenny.spawns.budget import Budget
from spawnpenny.spawns.container_limits import container_limits, limited
from spawnpenny.spawns.origin import origin_of
from spawnpenny.spawns.reporter import Reporter
from spawnpenny.spawns.room import describe
from spawnpenny.spawns.shared_steps import SharedSteps
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.spawn_record import Replaced, demand_storable
from spawnpenny.spawns.start_queue import Permit
from spawnpenny.spawns.supervision import supervising_steps

_IDLE: Final = 60.0
"""Seconds without work after which a spawn is recorded as idle: each change is a write of the record."""


@dataclass(frozen=True)
class StepView:
    """Makes the views of one spawn that its steps get."""

    context: SpawnContext

    @property
    def budget(self) -> Budget:
        """The budget of the spawn, by the checks of its steps."""
        return Budget(self.context, self.spawn)

    @property
    def reporter(self) -> Reporter:
        """The reporter of the spawn."""
        return Reporter(self.context)

    def spawn(self, spawn_id: str | None = None) -> PlannedSpawn:
        """Return the spawn as its steps see it before it has a cluster."""
        context, reporter = self.context, self.reporter
        record = context.run.record
        return PlannedSpawn(
            id=spawn_id or record.id,
            kind=record.key.kind,
            name=record.key.name,
            user=context.user_state.record.user,
            names=context.names,
            options=record.options,
            env=record.request.env,
            resources=record.resources,
            resources_in_use=context.user_state.record.resources_in_use(but=record.key),
            kinds=context.service_context.plugins.kinds,
            _patch=self._patch,
            _notify=reporter.notify,
            _publish_url=self._publish_url,
            tls=record.request.tls,
            _service_host=self._service_host,
            _overrides=self._overrides,
            _profiles=context.service_context.plugins.profiles,
            secrets=record.secrets,
            caller=record.request.caller,
            state=record.state,
            _callbacks=self._callbacks(),
        )

    def with_cluster(self, step: Step) -> Spawn:
        """Return the spawn as one step sees it while it is applied."""
        return Spawn.of(self.spawn(), self._clusters()(step))

    def runner(self, replaced: Replaced | None = None, permit: Permit | None = None) -> Runner:
        """Return the runner for the steps of this spawn, or for those of one that it replaces.

        ``permit`` is given back when the steps only wait.
        """
        context = self.context
        return Runner(
            context.pipeline,
            self.spawn(replaced.id if replaced else context.run.record.id),
            step_cluster=self._clusters(replaced, permit),
            shared=SharedSteps(context),
            report=self.reporter.step if replaced is None else _silent,
            scrub=self.reporter.scrub,
            step_deadline=context.service_context.settings.deadlines.step,
        )

    def retiring(self) -> Iterator[tuple[Step, Spawn]]:
        """Yield the ``user`` steps of all pipelines, last one first, with the spawn as each step sees it."""
        pipelines, seen, cluster = self.context.service_context.plugins.pipelines, set[str](), self._clusters()
        for kind in self.context.service_context.plugins.kinds.retirement_order:
            for step in reversed(pipelines[kind].steps):
                if step.scope == "user" and step.name not in seen:
                    seen.add(step.name)
                    yield step, Spawn.of(self.spawn(), cluster(step))

    def purging(self) -> Iterator[tuple[Step, Spawn]]:
        """Yield all steps, last one first, with the spawn as each step sees it."""
        cluster = self._clusters()
        for step in reversed(self.context.pipeline.steps):
            yield step, Spawn.of(self.spawn(), cluster(step))

    def supervising(self) -> list[tuple[Step, Spawn]]:
        """Return the steps that supervise the running spawn, with the spawn as each step sees it."""
        cluster = self._clusters()  # every step gets a spawn of its own: a change reaches all of them
        return [(step, Spawn.of(self.spawn(), cluster(step))) for step in supervising_steps(self.context.pipeline)]

    def _clusters(
        self, replaced: Replaced | None = None, permit: Permit | None = None
    ) -> Callable[[Step], StepCluster]:
        context, reporter = self.context, self.reporter
        record, user = context.run.record, context.user_state.record.user
        service_context = context.service_context
        ownership = OwnershipLabels(
            installation=service_context.settings.installation,
            username=user.username,
            kind=record.key.kind,
            spawn=replaced.id if replaced else record.id,
            names=context.names,
            uids=replaced.uids if replaced else record.uids,
            origin=origin_of(record, context.user_state.record),
            token=token_hash(record.request.env),
        )
        dependencies = Dependencies(
            cluster=service_context.cluster,
            pods=service_context.pods,
            broker=service_context.broker,
            notify=reporter.notify,
            suspect=self._suspect,
            notice=reporter.warn_of_sidecars,
            claimed=self._claimed,
            namespace=self._namespace_uid,
            waits=permit.give_back if permit else lambda: None,
            scrub=reporter.scrub,
            slow=service_context.settings.deadlines.slow,
            event_reads=service_context.followed_pods,
        )
        return lambda step: StepCluster(step, ownership, dependencies, user)

    def _callbacks(self) -> SpawnCallbacks:
        run = self.context.run
        return SpawnCallbacks(
            lambda: run.recorded_scale or run.record.scale,
            self.budget.resize,
            run.changes.reader(),
            self._lab_runs,
            self._blocked,
            note_idle=self._note_idle,
            keep=self._keep,
            hold_back=self._hold_back,
            events=run.record.log.since,
            scrub=self.reporter.scrub,
        )

    def _overrides(self, spawn: PlannedSpawn) -> list[tuple[str, Mapping[str, Any]]]:
        return self.context.service_context.plugins.overrides(spawn.user, spawn.kind, dict(spawn.options))

    def _patch(self, spawn: PlannedSpawn, pod: Manifest) -> Manifest:
        service_context = self.context.service_context
        pods = service_context.settings.pods
        patches = service_context.plugins.pod_patches(spawn, copy.deepcopy(pod))
        merged = merge_patches(pod, patches, base=f"the {spawn.kind} plugin")
        merged = limited(merged, container_limits(self.context.pipeline.steps))
        check_pod(
            merged,
            allowed=pods.allow,
            images=pods.images,
            host_paths=pods.host_paths,
            broker=service_context.settings.broker,
        )
        return merged

    def _blocked(self) -> str | None:
        runs = self.budget.blocking()
        return describe(runs, self.context.service_context.plugins.kinds) if runs else None

    def _lab_runs(self) -> bool:
        caller = self.context.run.record.request.caller
        runs = self.context.user_state.runs.values() if caller else ()
        return any(caller and run.record.id == caller.spawn and run.record.active for run in runs)

    async def _note_idle(self, seconds: float | None) -> None:
        """Record when the spawn becomes idle or busy: other replicas list it from the record."""
        record, user_state = self.context.run.record, self.context.user_state
        idle = seconds is not None and seconds >= _IDLE
        if idle == (record.idle_since is not None):
            return
        before, record.idle_since = record.idle_since, time.time() - (seconds or 0.0) if idle else None
        try:
            async with user_state.lock:
                user_state.demand_here()
                await self.context.service_context.store.save(user_state.record)
        except SpawnpennyError:
            record.idle_since = before  # the next call tries again: a busy spawn must not pass for idle

    async def _keep(self, values: Mapping[str, Any]) -> None:
        """Write what a step keeps into the record. Its views of the spawn share the mapping, so they see it."""
        record, user_state = self.context.run.record, self.context.user_state
        before = dict(record.state)
        demand_storable({**before, **values})
        async with user_state.lock:
            user_state.demand_here()
            record.state.update(values)
            try:
                await self.context.service_context.store.save(user_state.record)
            except SpawnpennyError:
                record.state.clear()
                record.state.update(before)
                raise

    def _hold_back(self, why: SpawnpennyError | str | None, until: float | None) -> None:
        if isinstance(why, SpawnpennyError):
            self.context.run.held_back = HeldBack(why.message, why.code, until)
        else:
            self.context.run.held_back = HeldBack(why, until=until) if why else None

    def _service_host(self, name: str) -> str:
        return self.context.service_context.cluster.service_host(self.context.names.namespace, name)

    def _publish_url(self, url: str, pod: str) -> None:
        self.context.run.record.url, self.context.run.record.pod_uid = url, pod

    def _suspect(self, trouble: SpawnError | None) -> None:
        self.context.run.trouble = trouble

    def _claimed(self, uid: str) -> None:
        self.context.user_state.record.namespace = uid

    def _namespace_uid(self) -> str:
        """Return the uid of the user namespace, also if the record does not know it."""
        existing = self.context.service_context.namespaces.get(None, self.context.names.namespace)
        return str(existing["metadata"]["uid"]) if existing is not None else self.context.user_state.record.namespace


def _silent(name: str, state: StepState, seconds: float | None) -> None:
    """Report nothing: the steps of a replaced spawn are not the progress of this one."""

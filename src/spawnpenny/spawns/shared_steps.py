"""Shared steps of one user: the results of ``user`` steps that still hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from spawnpenny.domain.hashes import content_hash
from spawnpenny.pipeline.spawn import Spawn
from spawnpenny.pipeline.step import Step
from spawnpenny.spawns.record import Applied
from spawnpenny.spawns.spawn_context import SpawnContext


@dataclass(frozen=True)
class SharedSteps:
    """The ``user`` steps in a user's record, as the runner uses them."""

    context: SpawnContext

    def lock(self, step: Step) -> asyncio.Lock:
        return self.context.user_state.step_lock(step.name)

    def desired_hash(self, step: Step, spawn: Spawn) -> str:
        return content_hash(step.fingerprint(spawn))

    def begin(self, step: Step) -> None:
        self.context.user_state.record.applied.pop(step.name, None)

    def current(self, step: Step, desired: str) -> bool:
        applied = self.context.user_state.record.applied.get(step.name)
        if applied is None or applied.hash != desired:
            return False
        if not self.context.pipeline.in_namespace(step):
            return True
        same = applied.namespace == self.context.user_state.record.namespace
        return same and self._namespace_exists(applied.namespace)

    def applied(self, step: Step, desired: str) -> None:
        record = self.context.user_state.record
        namespace = record.namespace if self.context.pipeline.in_namespace(step) else ""
        record.applied[step.name] = Applied(desired, namespace)

    def _namespace_exists(self, uid: str) -> bool:
        namespace = self.context.service_context.namespaces.get(None, self.context.names.namespace)
        return (
            namespace is not None
            and namespace["metadata"]["uid"] == uid
            and "deletionTimestamp" not in namespace["metadata"]
        )

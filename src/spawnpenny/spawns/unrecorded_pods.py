"""Record pods again that have no record: they are never deleted."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.domain import labels
from spawnpenny.domain.names import safe_slug
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.controller import SpawnController
from spawnpenny.spawns.origin import read_origin
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.user_registry import UserRegistry


@dataclass(frozen=True, slots=True)
class UnrecordedPods:
    """Finds pods of ours without a record, and records them again from their origin annotation."""

    service_context: ServiceContext
    user_registry: UserRegistry

    async def record(self, *, known: bool = True) -> set[str]:
        """Record all of them; return the slugs of their users. Without ``known``, skip users in memory."""
        again, pods = set[str](), self.service_context.pods
        async for pod in paced(pods.items()):
            metadata = pod["metadata"]
            pod_labels = metadata.get("labels", {})
            slug = pod_labels.get(labels.USER, "")
            relevant = known or slug in again or self.user_registry.by_slug(slug) is None
            is_main = pod_labels.get(labels.SPAWN) and labels.PART not in pod_labels
            latest = pods.get(metadata["namespace"], metadata["name"]) if relevant and is_main else None
            if latest is not None and latest["metadata"]["uid"] == metadata["uid"] and not pod_status.is_over(latest):
                with self.service_context.faults.isolated("pod", f"{metadata['namespace']}/{metadata['name']}"):
                    self._record(latest, again)
        return again

    def _record(self, pod: Manifest, again: set[str]) -> None:
        metadata = pod["metadata"]
        log = structlog.get_logger("spawnpenny.adoption").bind(pod=metadata["name"], namespace=metadata["namespace"])
        try:
            record, user = read_origin(pod, seconds=self.service_context.settings.deadlines.spawn)
        except (AttributeError, KeyError, TypeError, ValueError):
            log.warning("the origin of a pod cannot be read; it is left alone")
            return
        username, slug = user.user.username, safe_slug(user.user.username)
        if self.user_registry.is_refused(slug):
            return
        user_state = self.user_registry.by_slug(slug)
        if user_state is None:
            if not self.service_context.ownership.is_new_to_me(slug):
                return
            user_state = self.user_registry.add(user)
        if record.key in user_state.runs or user_state.username != username:
            return
        log.warning("a pod without a record is recorded again", user=username)
        run = ActiveSpawn(record, started=None)
        again.add(slug)
        user_state.runs[record.key] = run
        user_state.record.spawns[record.key] = record
        context = SpawnContext(self.service_context, user_state, run)
        try:
            record.resources = StepView(context).budget.resources()
        except SpawnpennyError as error:
            log.warning("the resources of a pod are not counted", error=error.message)
        if pod_status.is_ready(pod):
            SpawnController(context).adopt_pod(pod)

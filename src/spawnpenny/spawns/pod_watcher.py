"""Watch the pods of running spawns for their end or trouble, with the one informer of all pods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.aio.tasks import Tasks
from spawnpenny.domain import labels
from spawnpenny.domain.events import Severity
from spawnpenny.domain.spawns import Desired, Phase
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.controller import SpawnController
from spawnpenny.spawns.main_pod import MainPod
from spawnpenny.spawns.persistence import persist
from spawnpenny.spawns.reporter import Reporter
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState


@dataclass(frozen=True, slots=True)
class PodWatcher:
    """Ends the spawns whose pods have ended, and reports those that are in trouble."""

    service_context: ServiceContext
    user_registry: UserRegistry
    tasks: Tasks

    async def run(self) -> None:
        """Watch until cancelled. It may run again after a failure: it first looks at what it has missed."""
        with self.service_context.pods.subscribe() as changes:
            await self._catch_up()
            async for change in changes:
                self._look_alone(change.object, deleted=change.type == "DELETED")

    async def _catch_up(self) -> None:
        pods = self.service_context.pods
        async for known in paced(pods.items()):
            pod = pods.get(known["metadata"]["namespace"], known["metadata"]["name"])
            if pod is not None:
                self._look_alone(pod, deleted=False)
        async for user_state in paced(self.user_registry):
            for run in user_state.runs.values():
                with self.service_context.faults.isolated("user", user_state.slug):
                    context = SpawnContext(self.service_context, user_state, run)
                    if (
                        context.kind is not None
                        and self._stands(run)
                        and run.record.pod_uid is not None
                        and MainPod(context).cached() is None
                    ):
                        self._end(context, None)

    def _look_alone(self, pod: Manifest, *, deleted: bool) -> None:
        """Look at one pod. An error in it affects no other pod."""
        faults, name = self.service_context.faults, f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        with faults.isolated("pod", name):
            self._look(pod, deleted=deleted)
        if deleted:
            faults.forget("pod", name)

    def _look(self, pod: Manifest, *, deleted: bool) -> None:
        self._notify_supervisors(pod)
        found = self._running(pod)
        if found is None:
            return
        context = SpawnContext(self.service_context, *found)
        if context.kind is None:
            return
        if deleted or pod_status.is_lost(pod):
            lost = pod if pod_status.is_lost(pod) else None
            self._end(context, lost, last=pod)
            return
        Reporter(context).warn_of_sidecars(pod)
        if MainPod(context).follow():
            self.tasks.run(persist(self.service_context, context.user_state))
        if (trouble := pod_status.trouble(pod, quote=None)) is not None and not pod_status.is_ready(pod):
            self._notify(context, trouble.error.message)

    def _end(self, context: SpawnContext, lost: Manifest | None, *, last: Manifest | None = None) -> None:
        context.run.ending = True
        controller = SpawnController(context)
        work = partial(controller.end_of_pod, lost, context.run.task, last=last)
        context.run.task = self.tasks.start(controller.carry_out(work))

    def _notify_supervisors(self, pod: Manifest) -> None:
        """Notify the supervisors of the pod's spawn, and of spawns that the pod has requested."""
        pod_labels = pod["metadata"].get("labels", {})
        user_state, spawn = self.user_registry.by_slug(pod_labels.get(labels.USER, "")), pod_labels.get(labels.SPAWN)
        for run in user_state.runs.values() if user_state else ():
            kind = self.service_context.plugins.kinds.get(run.record.key.kind)
            if kind is not None and kind.follows_pods and spawn in _related(run):
                if labels.PART in pod_labels and spawn == run.record.id and pod_status.is_over(pod):
                    run.note_end(pod)
                run.changes.notify()

    def _notify(self, context: SpawnContext, message: str) -> None:
        """Warn the user that a running lab stopped answering: the cluster restarts its program."""
        if context.run.waiting_for != message:
            Reporter(context).notify(message, severity=Severity.WARNING)
            log = structlog.get_logger("spawnpenny.spawn").bind(spawn=context.run.record.id)
            log.warning("a running pod is in trouble", user=context.user_state.username, trouble=message)

    def _running(self, pod: Manifest) -> tuple[UserState, ActiveSpawn] | None:
        user_state = self.user_registry.by_slug(pod["metadata"].get("labels", {}).get(labels.USER, ""))
        for run in user_state.runs.values() if user_state else ():
            if user_state is not None and self._stands(run) and run.record.pod_uid == pod["metadata"]["uid"]:
                return user_state, run
        return None

    @staticmethod
    def _stands(run: ActiveSpawn) -> bool:
        record = run.record
        return record.phase is Phase.RUNNING and record.desired is Desired.RUNNING and not run.ending


def _related(run: ActiveSpawn) -> set[str]:
    """Return the ids of the spawns whose pods concern a run: itself, those that it replaces, the requesting lab."""
    record = run.record
    caller = {record.request.caller.spawn} if record.request.caller else set()
    return {record.id, *(replaced.id for replaced in record.replaces), *caller}

"""The steps of a Ray cluster: its head and its workers."""

from __future__ import annotations

import asyncio
import base64
import math
import secrets
from abc import abstractmethod
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from spawnpenny.api import (
    WORKER,
    InvalidOptionError,
    Manifest,
    PlannedSpawn,
    QuotaExceededError,
    Resources,
    Spawn,
    SpawnError,
    Step,
    WorkerPods,
    allow,
    pod_limits,
    pod_name,
    worker_pods,
)
from spawnpenny_ray.access import NAME, TOKEN, client_url
from spawnpenny_ray.dashboard import HEADER
from spawnpenny_ray.head_client import dashboard_session
from spawnpenny_ray.pods import HEAD, head_pod, pod_host, worker_pod
from spawnpenny_ray.settings import RaySettings
from spawnpenny_ray.shutdown import Limits
from spawnpenny_ray.supervisor import ClusterSupervisor, SupervisedCluster

_RECORDED: Final = "ray"
"""A secret of the record: a record that was restored from pods has none, and no number of workers."""
_PLACEHOLDER: Final = "head"
"""A placeholder for the head's address, which is known once it runs."""


class PodStep(Step):
    """A step of a Ray cluster that creates pods of one role; ``allowed`` is the setting ``pods.allow``."""

    kinds = frozenset({"ray"})
    scope = "spawn"
    deadline = math.inf

    def __init__(self, settings: RaySettings, allowed: Collection[str] = ()) -> None:
        self._settings = settings
        self._allowed = allowed

    @abstractmethod
    def _pod(self, spawn: PlannedSpawn) -> Manifest:
        """Return a pod of this role, without the patches of plugins."""

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [spawn.patched(self._pod(spawn))]

    def _counted(self, spawn: PlannedSpawn) -> Resources:
        """Return what one pod counts against a quota, with all its containers."""
        pod = self._pod(spawn)
        try:
            return pod_limits(spawn.patched(pod))
        except Exception:  # noqa: BLE001 - it is refused when it is made, with its reason
            return pod_limits(pod)


class HeadStep(PodStep):
    """Runs the head, and waits until it serves its user."""

    name = "ray.head"
    needs = frozenset({"namespace", "ray.access"})
    container = HEAD
    permissions = (
        allow("create", "get", "delete", on="pods"),
        allow("get", on="secrets"),
    )

    def _pod(self, spawn: PlannedSpawn) -> Manifest:
        return head_pod(spawn, self._settings, self._allowed)

    def secrets(self, spawn: PlannedSpawn) -> Mapping[str, str]:
        del spawn
        return {_RECORDED: secrets.token_hex(8)}

    def resources(self, spawn: PlannedSpawn) -> Resources:
        return self._counted(spawn)

    def check(self, spawn: PlannedSpawn) -> None:
        if existing := spawn.resources_in_use.count(spawn.kind):
            raise QuotaExceededError(
                spawn.kinds[spawn.kind].titles,
                requested="1",
                used=str(existing),
                limit="1",
                advice="Use your running cluster, or stop it first. A cluster can be scaled while it runs.",
            )

    async def apply(self, spawn: Spawn) -> None:
        (desired,) = self.manifests(spawn)
        await _token(spawn)  # without it, the pod would wait for ever
        pod = await spawn.cluster.ensure(desired)
        ready = await spawn.cluster.wait(pod)
        spawn.publish_url(url=client_url(spawn), pod=ready["metadata"]["uid"])

    def url(self, spawn: PlannedSpawn, pod: Manifest) -> str | None:
        return client_url(spawn) if pod_name(pod) == spawn.names.base and pod_host(pod) else None

    async def dashboard_headers(self, spawn: Spawn) -> Mapping[str, str]:
        return {HEADER: f"Bearer {await _token(spawn)}"}

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard("Pod", spawn.names.base)


class WorkersStep(PodStep):
    """Runs the desired workers until the cluster ends."""

    name = "ray.workers"
    needs = frozenset({"namespace", "ray.head"})
    container = WORKER
    permissions = (
        allow("create", "get", "delete", on="pods"),
        allow("get", on="secrets"),
    )

    def _pod(self, spawn: PlannedSpawn) -> Manifest:
        return self._worker(spawn, spawn.names.own("w-1"), _PLACEHOLDER)

    def resources(self, spawn: PlannedSpawn) -> Resources:
        count = spawn.scale.count
        one = self._counted(spawn) if count else Resources()
        return Resources(one.cpu * count, one.memory * count)

    def check(self, spawn: PlannedSpawn) -> None:
        if spawn.scale.adaptive:
            raise InvalidOptionError(
                "A Ray cluster does not scale by itself. Request a number of workers.", field="scale"
            )
        count, most = spawn.scale.count, self._settings.max_workers
        if count > most:
            raise QuotaExceededError(
                "workers",
                requested=str(count),
                used="0",
                limit=str(most),
                setting="plugins.ray.max_workers",
                advice="One cluster cannot have more.",
            )

    async def apply(self, spawn: Spawn) -> None:
        """Create nothing: ``supervise`` creates the workers, as soon as the head runs."""

    async def supervise(self, spawn: Spawn) -> None:
        head, settings = await _until_placed(spawn), self._settings

        def make(name: str, group: str) -> Manifest:
            del group
            return spawn.patched(self._worker(spawn, name, pod_host(_placed(spawn) or head)))

        async with dashboard_session(await _token(spawn)) as session:
            cluster = SupervisedCluster(
                spawn=spawn,
                session=session,
                head=lambda: pod_host(_placed(spawn) or head),
                workers=WorkerPods(spawn, make),
                limits=Limits(settings.idle_timeout, settings.lifetime),
                started_at=datetime.fromisoformat(head["metadata"]["creationTimestamp"]).timestamp(),
                recorded=_RECORDED in spawn.secrets,
                lab=spawn.caller.lab if spawn.caller and settings.end_with_lab else None,
            )
            await ClusterSupervisor(cluster).run()

    async def revert(self, spawn: Spawn) -> None:
        """Delete the workers without letting them finish tasks, as the cluster ends with its head."""
        while pods := worker_pods(spawn):
            await asyncio.gather(*(spawn.cluster.discard("Pod", pod_name(pod), grace=1) for pod in pods))

    def _worker(self, spawn: PlannedSpawn, name: str, head: str) -> Manifest:
        return worker_pod(spawn, self._settings, self._allowed, name=name, head=head)


async def _token(spawn: Spawn) -> str:
    """Return the token of the user's clusters."""
    secret = await spawn.cluster.read("Secret", NAME)
    if secret is None:
        raise SpawnError(
            f"The Secret {NAME} with your Ray token is missing in your namespace.",
            code="ray_token_missing",
            advice="Ask an administrator to restore it.",
        )
    return base64.b64decode(secret["data"][TOKEN]).decode()


async def _until_placed(spawn: Spawn) -> Manifest:
    """Return the head's pod once the cache has it with an address."""
    while (pod := _placed(spawn)) is None:
        await spawn.changed(1)
    return pod


def _placed(spawn: Spawn) -> Manifest | None:
    """Return the cached head's pod, if it has an address."""
    return next((pod for pod in spawn.cluster.pods() if pod_name(pod) == spawn.names.base and pod_host(pod)), None)

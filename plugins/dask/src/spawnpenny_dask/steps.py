"""The steps of a Dask cluster: credentials, scheduler, workers."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from spawnpenny.api import (
    AUTHORITY,
    CONTROL_TOKEN,
    DEFAULT_GROUP,
    SCHEDULER,
    WORKER,
    Manifest,
    PlannedSpawn,
    QuotaExceededError,
    Resources,
    Spawn,
    SpawnError,
    StashKey,
    WorkerPods,
    allow,
    worker_pods,
)
from spawnpenny_dask.credentials import credentials, join_token, new_secrets
from spawnpenny_dask.design import Design
from spawnpenny_dask.desired_workers import DesiredWorkers
from spawnpenny_dask.early_workers import send_address, start_early
from spawnpenny_dask.pod_manifest import JOIN_TOKEN, pod_host
from spawnpenny_dask.pod_steps import DaskStep, PodStep
from spawnpenny_dask.roles import Role
from spawnpenny_dask.scheduler_client import Control, SilentError, control_session
from spawnpenny_dask.scheduler_pod import scheduler_pod, scheduler_url
from spawnpenny_dask.shutdown import Limits
from spawnpenny_dask.supervisor import ClusterSupervisor, SupervisedCluster
from spawnpenny_dask.worker_pod import can_wait, worker_pod

_PROBE: Final = 0.05
"""Seconds between two probes of a starting scheduler. A kubelet probes once a second."""
_POD: Final = "Pod"
_ANSWERED: Final[StashKey[asyncio.Event]] = StashKey("dask.answered")
_SECRET_KEYS: Final[StashKey[frozenset[str]]] = StashKey("dask.secret_keys")
_PLACEHOLDER: Final = "tls://scheduler:8786"
"""A placeholder for the scheduler's address, which is known once it runs."""


class CredentialsStep(DaskStep):
    """Keeps the cluster's certificates and its user's variables in a Secret for its pods."""

    name = "dask.credentials"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="secrets"),)

    def secrets(self, spawn: PlannedSpawn) -> Mapping[str, str]:
        return new_secrets(spawn)

    def check(self, spawn: PlannedSpawn) -> None:
        self._design(spawn)

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [credentials(spawn, self._design(spawn).environment)]

    async def apply(self, spawn: Spawn) -> None:
        if AUTHORITY not in spawn.secrets:  # the record was lost: the running pods keep their credentials
            existing = await spawn.cluster.read("Secret", spawn.names.base)
            if existing is None or not spawn.cluster.is_ours(existing):
                raise SpawnError("The credentials of the cluster are lost. Start another cluster.")
            spawn.stash[_SECRET_KEYS] = frozenset(existing["data"])
            return
        (secret,) = self.manifests(spawn)
        stored = await spawn.cluster.ensure(secret)
        spawn.stash[_SECRET_KEYS] = frozenset(stored["data"])

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard("Secret", spawn.names.base)


class SchedulerStep(PodStep):
    """Runs the scheduler, and waits until it accepts connections."""

    name = "dask.scheduler"
    needs = frozenset({"namespace", "dask.credentials"})
    container = SCHEDULER
    permissions = (allow("create", "get", "delete", on="pods"),)
    deadline = math.inf

    def _role(self, design: Design) -> Role:
        return design.scheduler

    def _pod(self, spawn: PlannedSpawn, design: Design, group: str) -> Manifest:
        del group
        return scheduler_pod(spawn, design, self._settings, self._allowed)

    def resources(self, spawn: PlannedSpawn) -> Resources:
        return self._counted(spawn)

    def check(self, spawn: PlannedSpawn) -> None:
        super().check(spawn)
        existing, most = spawn.resources_in_use.count(spawn.kind), self._settings.max_clusters
        if existing + 1 > most:
            raise QuotaExceededError(
                spawn.kinds[spawn.kind].titles,
                requested="1",
                used=str(existing),
                limit=str(most),
                setting="plugins.dask.max_clusters",
            )

    async def apply(self, spawn: Spawn) -> None:
        (desired,) = self.manifests(spawn)
        pod = await spawn.cluster.ensure(desired)
        spawn.notify("Waiting for the scheduler to answer.")
        ready = await _first(spawn.cluster.wait(pod), _answers(spawn, pod))
        spawn.publish_url(url=scheduler_url(ready), pod=ready["metadata"]["uid"])
        _answered(spawn).set()

    def url(self, spawn: PlannedSpawn, pod: Manifest) -> str | None:
        return scheduler_url(pod) if pod["metadata"]["name"] == spawn.names.base and pod_host(pod) else None

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard(_POD, spawn.names.base)


class WorkersStep(PodStep):
    """Runs the desired workers until the cluster ends."""

    name = "dask.workers"
    needs = frozenset({"namespace", "dask.credentials"})
    container = WORKER
    deadline = math.inf
    permissions = (
        allow("create", "get", "delete", on="pods"),
        allow("get", on="secrets"),
    )

    def _role(self, design: Design) -> Role:
        return design.worker

    def _groups(self, design: Design) -> Sequence[str]:
        return design.group_names

    def _pod(self, spawn: PlannedSpawn, design: Design, group: str) -> Manifest:
        number = design.group_names.index(group) + 1
        return self._worker(spawn, design, spawn.names.own(f"w-{number}"), _PLACEHOLDER, group)

    def resources(self, spawn: PlannedSpawn) -> Resources:
        counts = {group: spawn.scale.of(group) for group in self._design(spawn).group_names}
        requested = [(self._counted(spawn, group), count) for group, count in counts.items() if count]
        return sum((Resources(one.cpu * count, one.memory * count) for one, count in requested), start=Resources())

    def check(self, spawn: PlannedSpawn) -> None:
        super().check(spawn)
        settings, names = self._settings, self._design(spawn).group_names
        counts = {group: spawn.scale.of(group) for group in names}
        _demand_at_most("workers", sum(counts.values()), settings.max_workers, "plugins.dask.max_workers")
        for group, count in counts.items():
            if group != DEFAULT_GROUP:
                place = f"plugins.dask.worker_groups.{group}.max"
                _demand_at_most(f"workers of the group {group}", count, settings.maximum_of(group), place)

    async def apply(self, spawn: Spawn) -> None:
        """Create workers while the scheduler starts, as they take as long to start. ``supervise`` creates the rest.

        The Secret of an earlier version may lack the token of waiting workers: then ``supervise`` creates all.
        """
        design = self._design(spawn)
        names = design.group_names if JOIN_TOKEN in spawn.stash[_SECRET_KEYS] else ()
        waiting = [group for group in names if can_wait(design.of(group).worker)]

        def make(name: str, group: str) -> Manifest:
            return spawn.patched(self._worker(spawn, design, name, None, group))

        early = asyncio.create_task(start_early(spawn, WorkerPods(spawn, make), waiting))
        try:
            await _answered(spawn).wait()
        finally:
            early.cancel()
            await asyncio.wait([early])

    async def supervise(self, spawn: Spawn) -> None:
        scheduler = await _until_placed(spawn)
        token, forgotten = await _token(spawn)
        design, settings = self._design(spawn), self._settings

        def now() -> Manifest:
            """Return the present pod of the scheduler, as its address may change."""
            return _placed(spawn) or scheduler

        def make(name: str, group: str) -> Manifest:
            return spawn.patched(self._worker(spawn, design, name, scheduler_url(now()), group))

        async with control_session() as session:

            async def send(pods: Sequence[Manifest], joined: Collection[str]) -> None:
                await send_address(session, scheduler_url(now()), pods, join_token(token), joined=joined)

            cluster = SupervisedCluster(
                spawn=spawn,
                control=Control(session, lambda: pod_host(now()), token),
                workers=WorkerPods(spawn, make),
                limits=Limits(design.idle_timeout, settings.client_timeout, settings.lifetime),
                desired_workers=DesiredWorkers(
                    spawn, most=settings.max_workers, groups=design.group_names, forgotten=forgotten
                ),
                started_at=datetime.fromisoformat(scheduler["metadata"]["creationTimestamp"]).timestamp(),
                lab=spawn.caller.lab if spawn.caller and settings.end_with_lab else None,
                send_address=send,
            )
            await ClusterSupervisor(cluster).run()

    def _worker(self, spawn: PlannedSpawn, design: Design, name: str, scheduler: str | None, group: str) -> Manifest:
        return worker_pod(spawn, design, self._settings, self._allowed, name=name, scheduler=scheduler, group=group)

    async def revert(self, spawn: Spawn) -> None:
        await _dismiss(spawn)
        await WorkerPods(spawn).discard()


def _demand_at_most(what: str, count: int, most: int, setting: str) -> None:
    if count > most:
        raise QuotaExceededError(
            what,
            requested=str(count),
            used="0",
            limit=str(most),
            setting=setting,
            advice="One cluster cannot have more.",
        )


async def _dismiss(spawn: Spawn) -> None:
    """Have the scheduler dismiss its workers, so that none of them hands over its data."""
    scheduler = _placed(spawn)
    if scheduler is None or CONTROL_TOKEN not in spawn.secrets or not worker_pods(spawn):
        return
    async with control_session() as session:
        with suppress(SilentError):
            await Control(session, lambda: pod_host(scheduler), spawn.secrets[CONTROL_TOKEN]).dismiss()


def _answered(spawn: Spawn) -> asyncio.Event:
    """Return the event, shared by the steps of a spawn, that the scheduler answers."""
    if _ANSWERED not in spawn.stash:
        spawn.stash[_ANSWERED] = asyncio.Event()
    return spawn.stash[_ANSWERED]


async def _answers(spawn: Spawn, pod: Manifest) -> Manifest:
    """Return the scheduler's pod as soon as it accepts connections."""
    existing = await _until_placed(spawn, pod["metadata"]["uid"])
    async with control_session() as session:
        control = Control(session, lambda: pod_host(existing), "")
        while not await control.is_up():  # noqa: ASYNC110 - it is up in another process
            await asyncio.sleep(_PROBE)
    return existing


async def _until_placed(spawn: Spawn, uid: str | None = None) -> Manifest:
    """Return the scheduler's pod once the cache has it with an address."""
    while (pod := _placed(spawn, uid)) is None:
        await spawn.changed(1)
    return pod


def _placed(spawn: Spawn, uid: str | None = None) -> Manifest | None:
    """Return the cached scheduler pod, if it has an address."""
    for pod in spawn.cluster.pods():
        its = pod["metadata"]
        if its["name"] == spawn.names.base and uid in {None, its["uid"]} and pod_host(pod):
            return pod
    return None


async def _token(spawn: Spawn) -> tuple[str, bool]:
    """Return the token of the control API, and whether the record was lost, which had it."""
    if CONTROL_TOKEN in spawn.secrets:
        return spawn.secrets[CONTROL_TOKEN], False
    secret = await spawn.cluster.read("Secret", spawn.names.base)
    return base64.b64decode(secret["data"][CONTROL_TOKEN]).decode() if secret else "", True


async def _first(*coroutines: Coroutine[Any, Any, Manifest]) -> Manifest:
    """Return the first result, or raise the first error, and cancel the rest."""
    tasks = {asyncio.create_task(coroutine) for coroutine in coroutines}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

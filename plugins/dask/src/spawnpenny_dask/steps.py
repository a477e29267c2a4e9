"""The steps of a Dask cluster: its credentials, its scheduler, its workers."""

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
    allow,
)
from spawnpenny_dask.choice import Design
from spawnpenny_dask.credentials import credentials, join_token, new_secrets
from spawnpenny_dask.desired_workers import Wishes
from spawnpenny_dask.joining import send_address, start_beside
from spawnpenny_dask.objects import JOIN_TOKEN, can_wait, pod_host, scheduler_pod, scheduler_url, worker_pod
from spawnpenny_dask.pod_steps import DaskStep, PodStep
from spawnpenny_dask.roles import Role
from spawnpenny_dask.scheduler_client import Control, SilentError, asking
from spawnpenny_dask.shutdown import Limits
from spawnpenny_dask.supervisor import Charge, Tending
from spawnpenny_dask.workers import Fleet, worker_pods

_KNOCK: Final = 0.05
"""Seconds between two looks whether a scheduler is up: a kubelet would look once a second."""
_POD: Final = "Pod"
_ANSWERED: Final[StashKey[asyncio.Event]] = StashKey("dask.answered")
_SECRET_KEYS: Final[StashKey[frozenset[str]]] = StashKey("dask.secret_keys")
_PLACEHOLDER: Final = "tls://scheduler:8786"
"""Stands for the scheduler's address, which is known once it runs."""


class CredentialsStep(DaskStep):
    """Keep the cluster's certificates, and the variables of its user, where only its pods read them."""

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
        if AUTHORITY not in spawn.secrets:  # the record was lost: what the pods that run have stays theirs
            existing = await spawn.cluster.read("Secret", spawn.names.base)
            if existing is None or not spawn.cluster.is_ours(existing):
                raise SpawnError("The credentials of the cluster are lost. Start another one.")
            spawn.stash[_SECRET_KEYS] = frozenset(existing["data"])
            return
        (secret,) = self.manifests(spawn)
        stored = await spawn.cluster.ensure(secret)
        spawn.stash[_SECRET_KEYS] = frozenset(stored["data"])

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard("Secret", spawn.names.base)


class SchedulerStep(PodStep):
    """Run the scheduler, and wait until it takes connections."""

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
        return self._counted(spawn) + Resources(clusters=1)

    def check(self, spawn: PlannedSpawn) -> None:
        super().check(spawn)
        existing, most = spawn.resources_in_use.clusters, self._settings.max_clusters
        if existing + 1 > most:
            raise QuotaExceededError(
                "Dask clusters",
                asked="1",
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
    """Hold as many workers as there should be, for as long as the cluster is of use."""

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
        asked = [(self._counted(spawn, group), count) for group, count in counts.items() if count]
        return sum((Resources(one.cpu * count, one.memory * count) for one, count in asked), start=Resources())

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
        """Make workers beside the scheduler, until that answers: they take as long to start. ``supervise`` goes on.

        A Secret that an earlier version made may lack the token of waiting workers: ``supervise`` makes all then.
        """
        design = self._design(spawn)
        names = design.group_names if JOIN_TOKEN in spawn.stash[_SECRET_KEYS] else ()
        waiting = [group for group in names if can_wait(design.of(group).worker)]

        def make(name: str, group: str) -> Manifest:
            return spawn.patched(self._worker(spawn, design, name, None, group))

        beside = asyncio.create_task(start_beside(spawn, Fleet(spawn, make), waiting))
        try:
            await _answered(spawn).wait()
        finally:
            beside.cancel()
            await asyncio.wait([beside])

    async def supervise(self, spawn: Spawn) -> None:
        scheduler = await _until_placed(spawn)
        token, forgotten = await _token(spawn)
        design, settings = self._design(spawn), self._settings

        def now() -> Manifest:
            """Return the scheduler's pod as it is: its address may change."""
            return _placed(spawn) or scheduler

        def make(name: str, group: str) -> Manifest:
            return spawn.patched(self._worker(spawn, design, name, scheduler_url(now()), group))

        async with asking() as session:

            async def welcome(pods: Sequence[Manifest], here: Collection[str]) -> None:
                await send_address(session, scheduler_url(now()), pods, join_token(token), but=here)

            charge = Charge(
                spawn=spawn,
                control=Control(session, lambda: pod_host(now()), token),
                fleet=Fleet(spawn, make),
                limits=Limits(design.idle_timeout, settings.client_timeout, settings.lifetime),
                wishes=Wishes(spawn, most=settings.max_workers, groups=design.group_names, forgotten=forgotten),
                born=datetime.fromisoformat(scheduler["metadata"]["creationTimestamp"]).timestamp(),
                lab=spawn.caller.lab if spawn.caller and settings.end_with_lab else None,
                welcome=welcome,
            )
            await Tending(charge).run()

    def _worker(self, spawn: PlannedSpawn, design: Design, name: str, scheduler: str | None, group: str) -> Manifest:
        return worker_pod(spawn, design, self._settings, self._allowed, name=name, scheduler=scheduler, group=group)

    async def revert(self, spawn: Spawn) -> None:
        await _dismiss(spawn)
        await Fleet(spawn).discard()


def _demand_at_most(what: str, count: int, most: int, setting: str) -> None:
    if count > most:
        raise QuotaExceededError(
            what, asked=str(count), used="0", limit=str(most), setting=setting, advice="A cluster may have no more."
        )


async def _dismiss(spawn: Spawn) -> None:
    """Order the scheduler to end its workers for good: none of them is to look for a place for its data."""
    scheduler = _placed(spawn)
    if scheduler is None or CONTROL_TOKEN not in spawn.secrets or not worker_pods(spawn):
        return
    async with asking() as session:
        with suppress(SilentError):
            await Control(session, lambda: pod_host(scheduler), spawn.secrets[CONTROL_TOKEN]).dismiss()


def _answered(spawn: Spawn) -> asyncio.Event:
    """Return what says to all steps that the scheduler answers."""
    if _ANSWERED not in spawn.stash:
        spawn.stash[_ANSWERED] = asyncio.Event()
    return spawn.stash[_ANSWERED]


async def _answers(spawn: Spawn, pod: Manifest) -> Manifest:
    """Return the scheduler's pod as soon as it takes connections."""
    existing = await _until_placed(spawn, pod["metadata"]["uid"])
    async with asking() as session:
        control = Control(session, lambda: pod_host(existing), "")
        while not await control.is_up():  # noqa: ASYNC110 - it is up in another process
            await asyncio.sleep(_KNOCK)
    return existing


async def _until_placed(spawn: Spawn, uid: str | None = None) -> Manifest:
    """Return the scheduler's pod once the cache has it, with an address."""
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
    """Return the token of the control API, and whether the record that had it was lost."""
    if CONTROL_TOKEN in spawn.secrets:
        return spawn.secrets[CONTROL_TOKEN], False
    secret = await spawn.cluster.read("Secret", spawn.names.base)
    return base64.b64decode(secret["data"][CONTROL_TOKEN]).decode() if secret else "", True


async def _first(*work: Coroutine[Any, Any, Manifest]) -> Manifest:
    """Return what comes first, and break off the rest; what fails first is raised."""
    tasks = {asyncio.create_task(each) for each in work}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

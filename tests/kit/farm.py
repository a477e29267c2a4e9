"""A plugin of a site with a kind of its own: render farms with workers, a form, details and a quota."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from spawnpenny.api import (
    PART,
    FormChoice,
    FormField,
    Kind,
    Manifest,
    PlannedSpawn,
    Resources,
    Spawn,
    SpawnError,
    SpawnStatus,
    Step,
    User,
    allow,
    answers,
    hookimpl,
    pod_is_ready,
)

ENGINES = FormField(
    "engine",
    "Engine",
    (FormChoice("fast", "Fast", default=True), FormChoice("broken", "Without a licence")),
)


def fields(user: User) -> list[FormField]:
    """Return the form: an administrator is offered one engine more."""
    admin = any(group.name == "admins" for group in user.groups)
    more = (FormChoice("test", "For tests"),) if admin else ()
    return [FormField(ENGINES.name, ENGINES.label, (*ENGINES.choices, *more))]


def details(status: SpawnStatus, pods: Sequence[Manifest]) -> Mapping[str, Any]:
    """Return the members of the answer that only farms have."""
    if status.options.get("engine") == "test":
        raise RuntimeError("no details of a test")
    return {"ready": sum(map(pod_is_ready, pods)), "note": f"{status.user} renders with {len(pods)} pods"}


FARM = Kind(
    "farm",
    "farms",
    "render farm",
    scales=True,
    ends_with_lab=True,
    follows_pods=True,
    minimum=1,
    maximum=20,
    form=fields,
    details=details,
)


def make_pod(name: str, part: str | None = None) -> Manifest:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {PART: part} if part else {}},
        "spec": {
            "containers": [
                {
                    "name": "farm",
                    "image": "spawnpenny/lab",
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                    "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}},
                }
            ],
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
        },
    }


class Master(Step):
    """The pod that hands out frames."""

    name = "farm.master"
    kinds = frozenset({"farm"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    def resources(self, spawn: PlannedSpawn) -> Resources:
        return Resources(Decimal(1), Decimal(2**30))

    async def apply(self, spawn: Spawn) -> None:
        master = await spawn.cluster.ensure(spawn.patched(make_pod(spawn.names.base)))
        ready = await spawn.cluster.wait(master)
        if answers(fields(spawn.user), spawn.options)["engine"].value == "broken":
            raise SpawnError("The engine has no licence.", advice="Choose the other engine.")
        spawn.publish_url(url=f"http://{ready['status']['podIP']}:8888/", pod=ready["metadata"]["uid"])

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard("Pod", spawn.names.base)


class Workers(Step):
    """As many workers as are desired."""

    name = "farm.workers"
    kinds = frozenset({"farm"})
    scope = "spawn"
    needs = frozenset({"namespace", "farm.master"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    def resources(self, spawn: PlannedSpawn) -> Resources:
        return Resources(Decimal(spawn.scale.count), Decimal(2**30) * spawn.scale.count)

    async def apply(self, spawn: Spawn) -> None:
        """Wait for nothing: the workers come while it runs."""

    async def supervise(self, spawn: Spawn) -> None:
        while True:
            existing = {pod["metadata"]["name"]: pod for pod in self._pods(spawn)}
            desired = {spawn.names.own(f"w-{number}") for number in range(spawn.scale.count)}
            for name in desired - existing.keys():
                await spawn.cluster.ensure(spawn.patched(make_pod(name, "worker")))
            for name in existing.keys() - desired:
                await spawn.cluster.remove(existing[name])
            await spawn.changed(3600)

    async def revert(self, spawn: Spawn) -> None:
        for pod in self._pods(spawn):
            await spawn.cluster.remove(pod, wait=True)

    def _pods(self, spawn: Spawn) -> list[Manifest]:
        return [pod for pod in spawn.cluster.pods() if PART in pod["metadata"]["labels"]]


class FarmPlugin:
    """The plugin, as a module of a site would be."""

    @staticmethod
    @hookimpl
    def spawnpenny_kinds() -> list[Kind]:
        return [FARM]

    @staticmethod
    @hookimpl
    def spawnpenny_steps() -> list[Step]:
        return [Master(), Workers()]

"""Spawns of kinds that no loaded plugin declares: their records stay, and a stop deletes their objects by label."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from spawnpenny.kubernetes.kinds import Resource
from spawnpenny.kubernetes.permissions import allow
from spawnpenny.pipeline.order import Ordered
from spawnpenny.pipeline.step import Step

if TYPE_CHECKING:
    from spawnpenny.pipeline.spawn import Spawn

_POD: Final = "Pod"


class LabelledObjects(Step):
    """All objects with the labels of a spawn, of the resources that the loaded plugins create and delete."""

    name = "labelled.objects"
    scope = "spawn"

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = resources
        self.permissions = (
            allow("get", "delete", on="pods"),
            *(allow("list", "get", "delete", on=resource) for resource in resources),
        )

    async def revert(self, spawn: Spawn) -> None:
        await asyncio.gather(*(spawn.cluster.remove(pod, wait=True) for pod in spawn.cluster.pods()))
        for resource in self._resources:
            for item in await spawn.cluster.list(resource, spawn.cluster.ownership_labels):
                await spawn.cluster.discard(resource, item["metadata"]["name"])


def pipeline_without_plugin(kind: str, steps: Iterable[Step]) -> Ordered:
    """Return the pipeline by which spawns of a kind are stopped whose plugin is not loaded."""
    step = LabelledObjects(swept_resources(steps))
    return Ordered(kind, (step,), (), waves=((step.name,),))


def swept_resources(steps: Iterable[Step]) -> tuple[Resource, ...]:
    """Return the resources that ``spawn`` steps create and delete, except pods."""
    found = {
        permission.resource: None
        for step in steps
        if step.scope == "spawn"
        for permission in step.permissions
        if permission.resource is not None and {"create", "delete"} <= permission.verbs
    }
    return tuple(resource for resource in found if resource.kind != _POD)

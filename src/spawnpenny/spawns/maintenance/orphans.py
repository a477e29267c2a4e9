"""Delete orphans: objects labelled with a spawn that no longer exists.

An orphan is left when a revert failed by a mistake of its own, or an answer was lost twice. It is deleted by its uid
once two passes in a row have found it. A pass never deletes orphans of more than one spawn, or of the share
``housekeeping.share`` of all: more of them mean a mistake, and an administrator has to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.domain import labels
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import Kind
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import ConflictError
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import Resource
from spawnpenny.kubernetes.permissions import Declared, Permission
from spawnpenny.pipeline.step import Step
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState

_POD: Final = "Pod"


def permissions(steps: Iterable[Step]) -> Declared:
    """Return what looking for leftovers uses: it lists what ``spawn`` steps make, but for pods, which are watched."""
    kinds = {kind: None for step in steps for kind in swept_kinds((step,))}
    return {"tenant": tuple(Permission(frozenset({"list", "delete"}), kind) for kind in kinds)}


def swept_kinds(steps: Iterable[Step]) -> tuple[Resource, ...]:
    """Return the resources that ``spawn`` steps make and take away, but for pods."""
    found = {
        permission.resource: None
        for step in steps
        if step.scope == "spawn"
        for permission in step.permissions
        if permission.resource is not None and {"create", "delete"} <= permission.verbs
    }
    return tuple(each for each in found if each.kind != _POD)


@dataclass
class Orphans:
    """Looks for leftovers of the users looked after here. ``held_back`` counts the spawns that were too many."""

    service_context: ServiceContext
    user_registry: UserRegistry
    steps: Sequence[Step]
    held_back: int = 0
    _suspects: frozenset[str] = frozenset()

    async def sweep(self) -> None:
        """Make one pass."""
        found = {each["metadata"]["uid"]: each for each in (*await self._pods(), *await self._others())}
        due = {uid: each for uid, each in found.items() if uid in self._suspects}
        self._suspects = frozenset(found)
        spawns = len(_marks(due.values()))
        # Not of all pods: a Dask cluster has a hundred, and a mistake would take all labs away.
        allowed = max(
            1, int(self.service_context.settings.housekeeping.share * len(_marks(self.service_context.pods.items())))
        )
        self.held_back = spawns if spawns > allowed else 0
        log = structlog.get_logger("spawnpenny.maintenance")
        if self.held_back:
            log.error("too many spawns would be taken away as left over, so none is", found=spawns, allowed=allowed)
            return
        for uid, each in due.items():
            log.warning("something is left over, and taken away", what=str(Ref.of(each)), uid=uid)
            await self._take_away(Ref.of(each), uid)

    async def _pods(self) -> list[Manifest]:
        found = []
        async for pod in paced(self.service_context.pods.items()):
            user_state = self.user_registry.by_slug(pod["metadata"].get("labels", {}).get(labels.USER, ""))
            if user_state is not None and _is_left(pod, user_state):
                found.append(pod)
        return found

    async def _others(self) -> list[Manifest]:
        found: list[Manifest] = []
        async for user_state in paced(self.user_registry):
            if user_state.unswept and user_state.record.namespace:
                with self.service_context.faults.isolated("account", user_state.slug):
                    found += await self._left_of(user_state)
        return found

    async def _left_of(self, user_state: UserState) -> list[Manifest]:
        try:
            left = [each for each in await self._listed(user_state) if _is_left(each, user_state)]
        except SpawnpennyError as error:
            log = structlog.get_logger("spawnpenny.maintenance")
            log.warning("leftovers cannot be looked for", user=user_state.username, error=error.message)
            return []
        user_state.unswept = bool(left)
        return left

    async def _listed(self, user_state: UserState) -> list[Manifest]:
        settings = self.service_context.settings
        names = Names.of(user_state.username, Kind.USER, "", prefix=settings.namespaces.prefix)
        desired = {**labels.ours(settings.installation), labels.USER: user_state.slug}
        return [
            item
            for resource in swept_kinds(self.steps)
            for item in (
                await self.service_context.cluster.list(resource, namespace=names.namespace, labels=desired)
            ).items
        ]

    async def _take_away(self, ref: Ref, uid: str) -> None:
        try:
            await self.service_context.cluster.delete(ref, uid=uid)
        except ConflictError:
            return  # another one of that name by now
        except SpawnpennyError as error:
            log = structlog.get_logger("spawnpenny.maintenance")
            log.warning("what is left over cannot be taken away", what=str(ref), error=error.message)


def _marks(manifests: Iterable[Manifest]) -> set[str]:
    """Return the spawns that objects are of."""
    found = (manifest["metadata"].get("labels", {}).get(labels.SPAWN) for manifest in manifests)
    return {mark for mark in found if mark}


def _is_left(manifest: Manifest, user_state: UserState) -> bool:
    metadata = manifest["metadata"]
    mark = metadata.get("labels", {}).get(labels.SPAWN)
    return mark is not None and mark not in user_state.marks() and "deletionTimestamp" not in metadata

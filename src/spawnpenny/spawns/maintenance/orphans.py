"""Delete orphans: objects labelled with a spawn that no longer exists.

An orphan is left when a revert failed by a mistake of its own, or an answer was lost twice. It is deleted by its uid
once two passes in a row have found it. A pass never deletes orphans of more than one spawn, or of the share
``housekeeping.share`` of all: more of them mean a mistake, and an administrator has to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.domain import labels
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import USER
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import ConflictError
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.permissions import Declared, Permission
from spawnpenny.pipeline.step import Step
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.unloaded_kinds import swept_resources
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState


def permissions(steps: Iterable[Step]) -> Declared:
    """Return the rights to list and delete what ``spawn`` steps make, except pods, which are watched."""
    kinds = {kind: None for step in steps for kind in swept_resources((step,))}
    return {"tenant": tuple(Permission(frozenset({"list", "delete"}), kind) for kind in kinds)}


@dataclass
class Orphans:
    """Finds and deletes orphans of the users that this replica owns.

    ``held_back`` counts the spawns whose orphans the last pass left, because they were too many.
    """

    service_context: ServiceContext
    user_registry: UserRegistry
    steps: Sequence[Step]
    held_back: int = 0
    _suspects: frozenset[str] = frozenset()

    async def sweep(self) -> None:
        """Make one pass."""
        found = {orphan["metadata"]["uid"]: orphan for orphan in (*await self._pods(), *await self._others())}
        due = {uid: orphan for uid, orphan in found.items() if uid in self._suspects}
        self._suspects = frozenset(found)
        spawns, running = len(_spawn_ids(due.values())), len(_spawn_ids(self.service_context.pods.items()))
        # The share is of spawns, not of pods: a cluster has a hundred, and a mistake would delete all labs.
        allowed = max(1, int(self.service_context.settings.housekeeping.share * running))
        self.held_back = spawns if spawns > allowed else 0
        log = structlog.get_logger("spawnpenny.maintenance")
        if self.held_back:
            log.error("orphans of too many spawns: none is deleted", found=spawns, allowed=allowed)
            return
        for uid, orphan in due.items():
            log.warning("an orphan is deleted", what=str(Ref.of(orphan)), uid=uid)
            await self._delete(Ref.of(orphan), uid)

    async def _pods(self) -> list[Manifest]:
        found = []
        async for pod in paced(self.service_context.pods.items()):
            user_state = self.user_registry.by_slug(pod["metadata"].get("labels", {}).get(labels.USER, ""))
            if user_state is not None and _is_orphan(pod, user_state):
                found.append(pod)
        return found

    async def _others(self) -> list[Manifest]:
        found: list[Manifest] = []
        async for user_state in paced(self.user_registry):
            if user_state.unswept and user_state.record.namespace:
                with self.service_context.faults.isolated("user", user_state.slug):
                    found += await self._of_user(user_state)
        return found

    async def _of_user(self, user_state: UserState) -> list[Manifest]:
        try:
            found = [manifest for manifest in await self._listed(user_state) if _is_orphan(manifest, user_state)]
        except SpawnpennyError as error:
            log = structlog.get_logger("spawnpenny.maintenance")
            log.warning("orphans of a user cannot be listed", user=user_state.username, error=error.message)
            return []
        user_state.unswept = bool(found)
        return found

    async def _listed(self, user_state: UserState) -> list[Manifest]:
        settings = self.service_context.settings
        names = Names.of(user_state.username, USER, "", prefix=settings.namespaces.prefix)
        selector = {**labels.ours(settings.installation), labels.USER: user_state.slug}
        return [
            item
            for resource in swept_resources(self.steps)
            for item in (
                await self.service_context.cluster.list(resource, namespace=names.namespace, labels=selector)
            ).items
        ]

    async def _delete(self, ref: Ref, uid: str) -> None:
        try:
            await self.service_context.cluster.delete(ref, uid=uid)
        except ConflictError:
            return  # a new object has the name now
        except SpawnpennyError as error:
            log = structlog.get_logger("spawnpenny.maintenance")
            log.warning("an orphan cannot be deleted", what=str(ref), error=error.message)


def _spawn_ids(manifests: Iterable[Manifest]) -> set[str]:
    """Return the ids of the spawns to which objects belong."""
    found = (manifest["metadata"].get("labels", {}).get(labels.SPAWN) for manifest in manifests)
    return {spawn_id for spawn_id in found if spawn_id}


def _is_orphan(manifest: Manifest, user_state: UserState) -> bool:
    metadata = manifest["metadata"]
    spawn_id = metadata.get("labels", {}).get(labels.SPAWN)
    return spawn_id is not None and spawn_id not in user_state.spawn_ids() and "deletionTimestamp" not in metadata

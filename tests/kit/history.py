"""History of the spawns of a site, for tests: all phases that were recorded, and all pods."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spawnpenny.aio.notify import Bell
from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Phase
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.spawns.store import read_record
from spawnpenny.testing.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from spawnpenny.kubernetes.interface import Manifest


def is_ending(pod: Manifest) -> bool:
    """Return whether a pod has ended, or is going."""
    return pod_status.is_lost(pod) or "deletionTimestamp" in pod["metadata"]


@dataclass
class SpawnHistory:
    """The history of a site's spawns, by their marks. ``deleted_by_others`` counts pods that another party deleted."""

    site: Site
    phases: dict[str, list[Phase]] = field(default_factory=lambda: defaultdict(list))
    pods: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    deleted_by_others: Counter[str] = field(default_factory=Counter)
    _over: set[str] = field(default_factory=set)
    _bell: Bell = field(default_factory=Bell)

    async def run(self) -> None:
        """Write it until cancelled."""
        await asyncio.gather(
            self._watch("Secret", self._see_record, self.site.settings.namespaces.state),
            self._watch("Pod", self._see_pod, None),
        )

    async def until_over(self, pod: Manifest) -> None:
        """Return once a pod has ended, or is going."""
        uid = pod["metadata"]["uid"]
        while uid not in self._over:
            await self._bell.next().wait()

    def mistakes(self) -> list[str]:
        """Return the spawns that had more than one pod, ended twice, or went on after their end."""
        mistakes = [
            f"{spawn_id} had the pods {uids}"
            for spawn_id, uids in self.pods.items()
            if len(uids) > self.deleted_by_others[spawn_id] + 1
        ]
        for spawn_id, phases in self.phases.items():
            ends = [at for at, phase in enumerate(phases) if phase.over]
            if len(ends) > 1 or (ends and set(phases[ends[0] + 1 :]) - {Phase.STOPPING}):
                mistakes.append(f"{spawn_id} went through {phases}")
        return mistakes

    async def _watch(self, kind: str, see: Callable[[Manifest], None], namespace: str | None) -> None:
        resource, mine = resource_of(kind), labels.ours(self.site.settings.installation)
        since = (await self.site.cluster.list(resource, namespace=namespace, labels=mine)).version
        async for event in self.site.cluster.watch(resource, since=since, namespace=namespace, labels=mine):
            if event.type != "BOOKMARK":
                see(event.object)

    def _see_record(self, secret: Manifest) -> None:
        if secret["metadata"]["labels"].get(labels.KIND) != "record":
            return
        for spawn in read_record(secret).spawns.values():
            known = self.phases[spawn.id]
            if not known or known[-1] is not spawn.phase:
                known.append(spawn.phase)

    def _see_pod(self, pod: Manifest) -> None:
        if spawn_id := pod["metadata"]["labels"].get(labels.SPAWN):
            self.pods[spawn_id].add(pod["metadata"]["uid"])
        if is_ending(pod):
            self._over.add(pod["metadata"]["uid"])
            self._bell.ring()

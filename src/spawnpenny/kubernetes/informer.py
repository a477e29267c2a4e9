"""One list and one watch of a resource, shared by everything that needs its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spawnpenny.kubernetes.list_watch import Followed, Follower
from spawnpenny.kubernetes.object_cache import Watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spawnpenny.kubernetes.interface import Cluster, Manifest
    from spawnpenny.kubernetes.kinds import Resource


class Informer(Watched):
    """Cache the objects of a resource, of one namespace or of all, as long as ``run`` runs."""

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        *,
        labels: Mapping[str, str] | None = None,
        namespace: str | None = None,
    ) -> None:
        super().__init__()
        self._follower = Follower(Followed(cluster, resource, dict(labels or {}), namespace), self)

    async def run(self) -> None:
        await self._follower.run()

    def staleness(self) -> float:
        return self._follower.staleness()

    def doubt(self, namespace: str | None) -> None:
        self._follower.doubt()

    def take_list(self, namespace: str | None, manifests: Iterable[Manifest]) -> None:
        super().take_list(namespace, manifests)
        self.synced.set()
